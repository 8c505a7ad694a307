import { describe, expect, it } from "vitest";
import { treeOf, walk } from "./forks";
import type { Session } from "./state";

const session = (id: string, forkedFrom: string | null, createdAt = 0): Session => ({ id, forkedFrom, createdAt }) as Session;
// As the server lists them: newest first.
const ALL = [session("e", "b", 5), session("d", "a", 4), session("alone", null, 3), session("c", "b", 3), session("b", "a", 2), session("a", null, 1)];
const drawn = (sessions: Session[], id: string): string[] => treeOf(sessions, id).map(({ session: { id: each }, depth }) => "-".repeat(depth) + each);

describe("the tree of forks", () => {
  it("is the same for all of its sessions, forks in the order in which they were made", () => {
    for (const id of ["a", "c", "e"]) expect(drawn(ALL, id)).toEqual(["a", "-b", "--c", "--e", "-d"]);
    expect(drawn(ALL, "alone")).toEqual(["alone"]);
    expect(drawn(ALL, "unknown")).toEqual([]);
  });
  it("has forks of one second in the order in which they were made", () => {
    expect(drawn([session("c", "a", 1), session("b", "a", 1), session("a", null, 1)], "a")).toEqual(["a", "-b", "-c"]);
  });
  it("stands without an origin that is gone", () => {
    expect(drawn(ALL.filter(({ id }) => id !== "b"), "c")).toEqual(["c"]);
    expect(drawn(ALL.filter(({ id }) => id !== "a"), "c")).toEqual(["b", "-c", "-e"]);
  });
  it("has lines where rows below belong to the same origin", () => {
    expect(treeOf(ALL, "a").map(({ lines, place, siblings }) => [lines, place, siblings])).toEqual(
      [[[], 1, 1], [[true], 1, 2], [[true, true], 1, 2], [[true, false], 2, 2], [[false], 2, 2]]);
  });
  it("ends, should origins run in a circle", () => {
    expect(drawn([session("x", "y"), session("y", "x")], "x").length).toBe(2);
  });
  it("is walked by arrows: up and down the rows, left to the origin, right to the first fork", () => {
    const rows = treeOf(ALL, "a");
    const to = (from: number, key: string): string | undefined => rows[walk(rows, from, key) ?? -1]?.session.id;
    expect([to(0, "ArrowDown"), to(3, "ArrowUp"), to(3, "ArrowLeft"), to(1, "ArrowRight"), to(1, "End"), to(3, "Home")]).toEqual(["b", "c", "b", "c", "d", "a"]);
    expect([to(0, "ArrowUp"), to(4, "ArrowDown"), to(0, "ArrowLeft"), to(2, "ArrowRight"), to(0, "x")]).toEqual(Array(5).fill(undefined));
  });
});
