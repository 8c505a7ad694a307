import { describe, expect, it } from "vitest";
import { found, modelsOf, neighbour, titleOf } from "./library";
import type { Session } from "./state";

const session = (id: string, firstPrompt: string, model = "shapes", prompt = firstPrompt): Session => ({ id, firstPrompt, prompt, model }) as Session;
const ALL = [session("c3", "A red circle"), session("b2", "a blue star", "shapes", "a green ring"), session("a1", "clouds", "wan")];
const ids = (sessions: Session[]): string[] => sessions.map(({ id }) => id);

describe("the library", () => {
  it("finds by all words, in any order and case, also those of a later prompt", () => {
    expect(ids(found(ALL, { search: "", model: "" }))).toEqual(["c3", "b2", "a1"]);
    expect(ids(found(ALL, { search: " circle RED ", model: "" }))).toEqual(["c3"]);
    expect(ids(found(ALL, { search: "ring", model: "" }))).toEqual(["b2"]);
    expect(ids(found(ALL, { search: "a1", model: "" }))).toEqual(["a1"]);
    expect(found(ALL, { search: "circle blue", model: "" })).toEqual([]);
  });
  it("calls a fork by its newest words, others by their first", () => {
    const fork = { ...session("d", "a red circle", "shapes", "a blue star"), forkedFrom: "c3" };
    expect([fork, { ...fork, forkedFrom: null }].map(titleOf)).toEqual(["a blue star", "a red circle"]);
  });
  it("filters by model", () => {
    expect(modelsOf(ALL)).toEqual(["shapes", "wan"]);
    expect(ids(found(ALL, { search: "", model: "wan" }))).toEqual(["a1"]);
  });
  it("shows a neighbour when one is removed", () => {
    expect(["c3", "b2", "a1"].map((id) => neighbour(ALL, id))).toEqual(["b2", "a1", "b2"]);
    expect(neighbour(ALL.slice(0, 1), "c3")).toBeNull();
  });
});
