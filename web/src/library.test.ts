import { describe, expect, it } from "vitest";
import { found, modelsOf, neighbour, renamed, titleOf } from "./library";
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
    expect([fork, { ...fork, forkedFrom: null }].map((each) => titleOf(each))).toEqual(["a blue star", "a red circle"]);
  });
  it("calls a session as people do, finds it by that, and by its words as before", () => {
    const names = renamed({ a1: "sky" }, ALL[0]!, " The one for Ada ");
    expect(ALL.map((each) => titleOf({ ...each, forkedFrom: null }, names))).toEqual(["The one for Ada", "a blue star", "sky"]);
    expect(ids(found(ALL, { search: "ada circle", model: "" }, names))).toEqual(["c3"]);
  });
  it("forgets a name that is empty or says nothing new", () => {
    expect(renamed({ c3: "x", a1: "sky" }, ALL[0]!, "  ")).toEqual({ a1: "sky" });
    expect(renamed({ c3: "x" }, { ...ALL[0]!, forkedFrom: null }, "A red circle")).toEqual({});
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
