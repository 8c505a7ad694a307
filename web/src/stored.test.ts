import { describe, expect, it } from "vitest";
import { read } from "./stored";

const holding = (text: string | null): Storage => ({ getItem: () => text }) as unknown as Storage;

describe("what was stored", () => {
  it("is read again, with the first values of fields that it lacks", () => {
    expect(read(holding('{"prompt": "a star"}'), "", { prompt: "", seed: "7" })).toEqual({ prompt: "a star", seed: "7" });
    expect(read(holding("3"), "", 1)).toBe(3);
  });
  it("is forgotten if it is damaged, missing or of another kind", () => {
    for (const text of [null, "{", "null", "[]", '"a"']) expect(read(holding(text), "", { a: 1 })).toEqual({ a: 1 });
  });
});
