import { describe, expect, it } from "vitest";
import en from "./en.json";
import zh from "./zh.json";

/** Each entry's path, and the values that its words have room for. */
const entries = (catalogue: object, path = ""): [string, string][] =>
  Object.entries(catalogue).flatMap(([name, value]: [string, unknown]) =>
    typeof value === "string" ? [[path + name, (value.match(/\{\{\w+\}\}/g) ?? []).sort().join(" ")] as [string, string]] : entries(value as object, `${path}${name}.`));

describe("the catalogues", () => {
  it("have the same entries, with room for the same values, in each language", () => {
    expect(Object.fromEntries(entries(zh))).toEqual(Object.fromEntries(entries(en)));
  });
  it("have no empty words", () => {
    for (const catalogue of [en, zh]) expect(JSON.stringify(catalogue)).not.toContain('""');
  });
});
