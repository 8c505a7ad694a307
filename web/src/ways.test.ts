import { describe, expect, it } from "vitest";
import type { Session } from "./state";
import { FrameRate, LivePlace, clockOf, faster } from "./ways";

const made = (...frames: number[]): Session => {
  let first = 0;
  const blocks = frames.map((videoFrames) => ({ complete: true, firstVideoFrame: (first += videoFrames) - videoFrames, videoFrames }));
  return { format: { fps: 16 }, madeFrames: first, blocks } as unknown as Session;
};

describe("the way of a video", () => {
  it("is the one that was nearer to the newest picture here", () => {
    expect(faster({ mse: 1.9, webrtc: 0.4 }, true)).toBe("webrtc");
    expect(faster({ mse: 0.5, webrtc: 0.4 }, true)).toBe("mse");
  });
  it("is MSE where one of them was never tried, and where nothing is made in real time", () => {
    expect(faster({ mse: 1.9 }, true)).toBe("mse");
    expect(faster({ mse: 1.9, webrtc: 0.4 }, false)).toBe("mse");
  });
});

describe("the rate of pictures", () => {
  it("is not told before a second has gone by, and counts those that were skipped as not shown", () => {
    const rate = new FrameRate();
    expect(rate.note(0, 0)).toBeNull();
    expect(rate.note(0.9, 14)).toBeNull();
    expect(rate.note(2, 32)).toBe(16);
    expect(rate.note(4, 48)).toBe(8);
  });
});

describe("the place of a picture that came by WebRTC", () => {
  it("begins with the newest block and goes on by the pictures' own clock", () => {
    const place = new LivePlace();
    expect(place.of(made(9, 12), 1000)).toBe(9 / 16);
    expect(place.of(made(9, 12), 1000.5)).toBe(17 / 16);
  });
  it("is never behind what is made, although a pause between blocks counts", () => {
    const place = new LivePlace();
    place.of(made(16), 10);
    expect(place.of(made(16, 16), 20)).toBe(2);
    expect(place.of(made(16, 16, 16), 20.5)).toBe(2.5);
  });
  it("goes on when RTP's clock begins again", () => {
    const place = new LivePlace();
    place.of(made(16, 16), clockOf({ rtpTimestamp: 2 ** 32 - 22_500, mediaTime: 0 }));
    expect(place.of(made(16, 16), clockOf({ rtpTimestamp: 22_500, mediaTime: 0 }))).toBeCloseTo(1.5);
  });
});
