import { describe, expect, it } from "vitest";
import { type Part, inStep } from "./step";

const part = (seconds: number, of: Partial<Part> = {}): Part => ({ seconds, ready: true, over: false, ...of });

describe("videos side by side", () => {
  it("are left alone as long as they are in step", () => {
    expect(inStep([part(1), part(1.05)])).toEqual([{ rate: 1, hold: false, seekTo: null }, { rate: 1, hold: false, seekTo: null }]);
  });
  it("slow down when they are ahead, and go back when they are far ahead", () => {
    expect(inStep([part(1.2), part(1)]).map(({ rate }) => rate)).toEqual([0.9, 1]);
    expect(inStep([part(3), part(1), part(1.2)]).map(({ seekTo }) => seekTo)).toEqual([1, null, null]);
  });
  it("wait for one that has no frames yet", () => {
    expect(inStep([part(1.2), part(1, { ready: false })]).map(({ hold }) => hold)).toEqual([true, false]);
    expect(inStep([part(1), part(1, { ready: false })]).map(({ hold }) => hold)).toEqual([false, false]);
  });
  it("do not wait for one that is over", () => {
    expect(inStep([part(5), part(2.5, { over: true })])).toEqual([{ rate: 1, hold: false, seekTo: null }, { rate: 1, hold: false, seekTo: null }]);
    expect(inStep([part(2, { over: true })])).toEqual([{ rate: 1, hold: false, seekTo: null }]);
  });
});
