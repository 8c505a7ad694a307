import { describe, expect, it } from "vitest";
import { isBeyond, offeredPresets, trainedWords } from "./sizes";

const small = { sizes: [{ width: 128, height: 128 }], frames: 33 };
const PRESETS = ["256", "512", "768"];

describe("sizes", () => {
  it("are beyond where the model was trained for others, or for fewer frames", () => {
    expect(isBeyond(small, { width: 128, height: 128 }, 33)).toBe(false);
    expect(isBeyond(small, { width: 128, height: 96 })).toBe(true);
    expect(isBeyond(small, { width: 128, height: 128 }, 34)).toBe(true);
    expect(isBeyond({ sizes: [], frames: null }, { width: 1, height: 1 }, 1000)).toBe(false);
    expect(isBeyond(null, { width: 1, height: 1 }, 1000)).toBe(false);
  });

  it("of presets are offered first where the model was trained for them, the others marked", () => {
    const names = (of: Parameters<typeof offeredPresets>[1]) => offeredPresets(PRESETS, of).map(({ name, beyond }) => name + (beyond ? "!" : ""));
    expect(names(null)).toEqual(PRESETS);
    expect(names(small)).toEqual(["256!", "512!", "768!"]);
    expect(names({ sizes: [{ width: 512, height: 512 }, { width: 768, height: 768 }], frames: 33 })).toEqual(["512", "256!", "768!"]);
  });

  it("are told in words", () => {
    expect(trainedWords(small)).toBe("128x128 and 33 frames");
    expect(trainedWords({ sizes: [{ width: 832, height: 480 }, { width: 480, height: 832 }], frames: null })).toBe("832x480, 480x832");
  });
});
