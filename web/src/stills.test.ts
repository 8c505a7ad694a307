import { describe, expect, it } from "vitest";
import { MAX_STILLS, Stills, secondsUnder } from "./stills";

describe("stills", () => {
  it("are taken once for each half second, and the nearest within a second is shown", () => {
    const stills = new Stills();
    let taken = 0;
    for (const seconds of [0, 0.1, 0.4, 0.6, 3]) stills.note(seconds, () => `picture ${++taken}`);
    expect(taken).toBe(3);
    expect([0.3, 0.7, 1.4, 2.2, 3.9].map((seconds) => stills.near(seconds))).toEqual(["picture 1", "picture 2", "picture 2", "picture 3", "picture 3"]);
    expect(stills.near(5)).toBeNull();
  });
  it("of endless videos are the newest", () => {
    const stills = new Stills();
    for (let i = 0; i <= MAX_STILLS; ++i) stills.note(i / 2, () => `${i}`);
    expect(stills.near(0)).toBe("1");
    expect(stills.near(MAX_STILLS / 2)).toBe(`${MAX_STILLS}`);
  });
  it("belong to the moment under the pointer", () => {
    expect([0, 2, 52, 102, 200].map((x) => secondsUnder(x, 104, 4, 10, 20))).toEqual([10, 10, 15, 20, 20]);
    expect(secondsUnder(5, 0, 4, 0, 1)).toBeLessThanOrEqual(1);
  });
});
