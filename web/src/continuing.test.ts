import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Forks, borderNear, canGoOn, fromBorder, fromEnd, isReplaying, knownReason, lastBorder, lengths, secondsOf } from "./continuing";
import type { Block, Session } from "./state";

const FRAMES = [9, 12, 12, 12];
const block = (i: number): Block => ({
  segment: 0, block: i, step: 4, steps: 4, complete: true, firstVideoFrame: FRAMES.slice(0, i).reduce((a, b) => a + b, 0), videoFrames: FRAMES[i]!,
  prompt: "a red circle", readyAt: 0, workSeconds: 0.1,
});
const forks = (changes: Partial<Forks> = {}): Forks => ({ least: 0, most: 4, leastKept: null, noReplay: null, ...changes });
const made = (changes: Partial<Session> = {}): Session =>
  ({ id: "s", state: "finished", format: { fps: 16, segments: 1, blocksPerLaterSegment: 2 }, blocks: FRAMES.map((_, i) => block(i)), forks: forks(), replayBlocks: 0, replayedBlocks: 0, ...changes }) as Session;

describe("borders", () => {
  it("near a moment are the nearest ones, and those of the end at the end", () => {
    expect([0, 0.2, 0.4, 1.2, 2.5, 9].map((at) => borderNear(made(), at)?.blocks)).toEqual([0, 0, 1, 2, 4, 4]);
    expect(borderNear(made(), 0.5)).toEqual({ blocks: 1, seconds: 9 / 16, replay: 1 });
    expect(lastBorder(made())).toEqual({ blocks: 4, seconds: 45 / 16, replay: 4 });
  });

  it("that cannot be had are not offered", () => {
    expect(borderNear(made({ forks: forks({ most: 3 }) }), 9)?.blocks).toBe(3);
    expect(borderNear(made({ state: "running", forks: forks({ least: 2, leastKept: 2, noReplay: "it was made from speech" }) }), 0)?.blocks).toBe(2);
    expect(borderNear(made({ forks: forks({ least: null, most: null }) }), 1)).toBe(null);
    expect(borderNear(made({ blocks: [block(2), block(3)] }), 1)).toBe(null);
    expect(lastBorder(made({ blocks: [block(2), block(3)] }))?.seconds).toBe(null);
  });

  it("of a session that runs cost nothing where they are kept", () => {
    const running = made({ state: "running", forks: forks({ leastKept: 2 }) });
    expect([0.1, 0.6, 1.3, 2.8].map((at) => borderNear(running, at)?.replay)).toEqual([0, 1, 0, 0]);
    expect(borderNear(made({ forks: forks({ leastKept: 2 }) }), 1.3)?.replay, "it has ended since then").toBe(2);
  });

  it("are none where nothing has been made but the beginning", () => {
    expect(borderNear(made({ state: "stopped", blocks: [], forks: forks({ most: 0 }) }), 0)).toEqual({ blocks: 0, seconds: 0, replay: 0 });
  });
});

describe("a session", () => {
  it("that has ended goes on if its blocks can be generated again, one that runs from what it keeps", () => {
    const lost = forks({ noReplay: "the image that it began with is no longer kept" });
    expect(canGoOn(made())).toBe(true);
    expect(canGoOn(made({ forks: lost }))).toBe(false);
    expect(canGoOn(made({ state: "running", forks: lost }))).toBe(true);
    expect(canGoOn(made({ state: "running", forks: forks({ least: null, most: null }) }))).toBe(false);
  });

  it("that is complete becomes longer, one that was stopped is completed first, one without end has no lengths", () => {
    const endless = { ...made().format, segments: 0, videoFrames: null };
    expect(lengths(made())).toEqual([1, 2, 4]);
    expect(lengths(made({ state: "stopped" }))).toEqual([0, 1, 2]);
    expect(lengths(made({ state: "stopped", format: endless }))).toEqual([]);
    expect(secondsOf(made(), 2)).toBe((2 * 2 * 12) / 16);
    expect(secondsOf(made({ blocks: [] }), 1)).toBe(null);
  });

  it("is forked with what the server needs for it", () => {
    const at = borderNear(made(), 1.3)!, end = lastBorder(made())!;
    expect(fromBorder(made(), at, "a blue square", 4)).toEqual({ prompt: "a blue square", blocks: 2 });
    expect(fromBorder(made(), end, "a blue square", 2)).toEqual({ prompt: "a blue square", blocks: 4, segments: 2 });
    expect(fromBorder(made({ state: "stopped" }), end, "a blue square", 0)).toEqual({ prompt: "a blue square", blocks: 4 });
    expect(fromEnd("", 0)).toEqual({});
    expect(fromEnd("a blue square", 1)).toEqual({ prompt: "a blue square", segments: 1 });
  });

  it("replays until all that it shares is there, or it ends", () => {
    const fork = made({ state: "running", replayBlocks: 3, replayedBlocks: 2 });
    expect(isReplaying(fork)).toBe(true);
    expect(isReplaying({ ...fork, replayedBlocks: 3 })).toBe(false);
    expect(isReplaying({ ...fork, state: "stopped" })).toBe(false);
    expect(isReplaying(made())).toBe(false);
  });
});

describe("why blocks cannot be generated again", () => {
  it("is known of each reason that the server gives", () => {
    const source = readFileSync(new URL("../../src/rushes/server/sessions/session_forks.cpp", import.meta.url), "utf8");
    const [why] = /why_no_replay[^]*?return std::nullopt/.exec(source)!;
    const reasons = [...why.matchAll(/return "(.+)";/g)].map(([, words]) => words!);
    expect(reasons.length).toBe(6);
    expect(reasons.filter((words) => knownReason(words) === null)).toEqual([]);
    expect(knownReason("something new")).toBeNull();
  });
});
