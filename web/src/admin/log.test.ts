import { describe, expect, it } from "vitest";
import { matching, pieces, withLines } from "./log";
import type { Line } from "./server";

const line = (number: number, message = "created", level: Line["level"] = "info"): Line => ({ number, at: 0, level, message });
const numbers = (lines: Line[]): number[] => lines.map(({ number }) => number);

describe("the log", () => {
  it("grows by what is new, and begins anew with a server that does", () => {
    expect(numbers(withLines([line(1), line(2)], [line(3)]))).toEqual([1, 2, 3]);
    expect(numbers(withLines([line(1), line(2)], []))).toEqual([1, 2]);
    expect(numbers(withLines([line(7), line(8)], [line(1), line(2)]))).toEqual([1, 2]);
    expect(withLines(Array.from({ length: 500 }, (_, i) => line(i + 1)), [line(501)]).at(0)!.number).toBe(2);
  });
  it("is searched, and told apart by how bad it is", () => {
    const all = [line(1), line(2, "Out of memory", "error"), line(3, "slow viewer", "warning")];
    expect(numbers(matching(all, "all", ""))).toEqual([1, 2, 3]);
    expect(numbers(matching(all, "warning", ""))).toEqual([2, 3]);
    expect(numbers(matching(all, "error", ""))).toEqual([2]);
    expect(numbers(matching(all, "all", " MEMORY"))).toEqual([2]);
  });
  it("names sessions", () => {
    const id = "0123456789abcdef0123456789abcdef";
    expect(pieces(`session ${id}: created`)).toEqual([{ text: "session ", isSession: false }, { text: id, isSession: true }, { text: ": created", isSession: false }]);
    expect(pieces("no session")).toEqual([{ text: "no session", isSession: false }]);
  });
});
