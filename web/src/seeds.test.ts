import { describe, expect, it } from "vitest";
import { readSeeds, withSeed } from "./seeds";

const MOST = "18446744073709551615";

describe("seeds", () => {
  it("keep all their 64 bits on the way out and back", () => {
    const sent = withSeed({ prompt: "a star", seed: MOST });
    expect(sent).toBe(`{"seed":${MOST},"prompt":"a star"}`);
    expect(readSeeds(sent)).toEqual({ seed: MOST, prompt: "a star" });
    expect(withSeed({ prompt: "", seed: "007" })).toBe('{"seed":7,"prompt":""}');
  });
  it("are not found in words", () => {
    for (const prompt of ['"seed": 12', '\\"seed":12', 'a\\', '{"seed":0', "$&"]) {
      expect(readSeeds(JSON.stringify({ sessions: [{ prompt, seed: 5 }] }))).toEqual({ sessions: [{ prompt, seed: "5" }] });
      expect(readSeeds(withSeed({ prompt, seed: "5" }))).toEqual({ prompt, seed: "5" });
    }
  });
});
