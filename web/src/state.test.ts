import { describe, expect, it } from "vitest";
import {
  type Action, type Session, type SessionEvent, type State, MAX_BLOCKS, MAX_TEXT, fill, firstBlockSeconds, generatedFrames, modelFps,
  initialState, nextBlockAt, plannedSeconds, promptAt, promptIndex, promptLine, reduce, timeline,
} from "./state";

const session = (id: string, changes: Partial<Session> = {}): Session => ({
  id, model: "t2v", state: "queued", queue: null, reason: "", mimeType: "", prompt: "a red circle", firstPrompt: "a red circle", seed: "7", ignored: [], warnings: [], forkedFrom: null, forks: { least: 0, most: 0, leastKept: 0, noReplay: null }, replayBlocks: 0, replayedBlocks: 0, realTime: false, createdAt: 0, madeFrames: 0, pendingPrompt: null, text: "", blocks: [], followed: false, lastSequence: -1,
  firstFrameShownMs: null,
  format: { width: 128, height: 128, fps: 16, segments: 2, blocksPerSegment: 3, blocksPerLaterSegment: 2, videoFrames: 57, hasSound: false },
  ...changes,
});

type Body = SessionEvent extends infer E ? (E extends SessionEvent ? Omit<E, "sequence" | "at"> & { at?: number } : never) : never;

/** The session after these events, numbered from 0 on. */
const after = (bodies: Body[], start = session("s")): Session => {
  let state = reduce(initialState, { type: "created", session: start });
  bodies.forEach((body, sequence) => {
    state = reduce(state, { type: "event", id: start.id, event: { at: 0, ...body, sequence } });
  });
  return state.sessions[0]!;
};

const frames = (segment: number, block: number, firstVideoFrame: number, videoFrames: number, at: number, prompt = "a red circle"): Body =>
  ({ type: "frame_block", segment, block, firstVideoFrame, videoFrames, at, prompt, workSeconds: 0.3 });

describe("prompts", () => {
  it("are typed again with the semicolons of a prompt escaped", () => {
    expect(promptLine(["a red circle", "a blue square"])).toBe("a red circle; a blue square");
    expect(promptLine(["Tom &amp; Jerry"])).toBe("Tom &amp\\; Jerry");
    expect(promptLine(["a\\; b"])).toBe("a\\\\\\; b");
  });
});

describe("events", () => {
  it("fill a block step by step and complete it with its frames", () => {
    const steps = [1, 2, 3, 4].map((step): Body => ({ type: "block_progress", segment: 0, block: 0, step, steps: 4 }));
    expect(fill(after(steps.slice(0, 2)).blocks[0]!)).toBeCloseTo(0.45);
    expect(fill(after(steps).blocks[0]!)).toBeLessThan(1);
    const done = after([...steps, frames(0, 0, 0, 9, 0.4)]);
    expect(fill(done.blocks[0]!)).toBe(1);
    expect(generatedFrames(done)).toBe(9);
  });

  it("that come again after a reconnection change nothing", () => {
    const events: Body[] = [{ type: "block_progress", segment: 0, block: 0, step: 1, steps: 4 }, frames(0, 0, 0, 9, 0.4)];
    const once = after(events);
    let state = { sessions: [once], notice: null };
    events.forEach((body, sequence) => {
      state = reduce(state, { type: "event", id: "s", event: { at: 0, ...body, sequence } }) as typeof state;
    });
    expect(state.sessions[0]).toEqual(once);
  });

  it("of a fork show what it began with, and no time to its first block", () => {
    const fork = { ...after([frames(0, 0, 0, 9, 0, "a red circle"), frames(0, 1, 9, 12, 0.4, "a blue circle")]), forkedFrom: "s" };
    expect(promptAt(fork, 0.1)).toBe("a red circle");
    expect(firstBlockSeconds(fork)).toBe(null);
  });

  it("of one session leave the others alone", () => {
    let state = reduce(initialState, { type: "created", session: session("a") });
    state = reduce(state, { type: "created", session: session("b") });
    const other = state.sessions[1];
    state = reduce(state, { type: "event", id: "b", event: { sequence: 0, at: 0, type: "state", state: "running", reason: "" } });
    expect(state.sessions.map((s) => [s.id, s.state])).toEqual([["b", "running"], ["a", "queued"]]);
    expect(state.sessions[1]).toBe(other);
  });

  it("tell where a session stands in the queue, until its turn comes", () => {
    const place = { position: 2, waitSeconds: null };
    expect(after([{ type: "queue", place }]).queue).toEqual(place);
    expect(after([{ type: "queue", place }, { type: "state", state: "running", reason: "" }]).queue).toBeNull();
  });

  it("that say nothing of the video only count", () => {
    expect(after([{ type: "utterance_ended" }])).toEqual({ ...session("s"), followed: true, lastSequence: 0 });
  });

  it("join the pieces of what the model says, and keep the end of a long talk", () => {
    expect(after([{ type: "text_chunk", text: "A red " }, { type: "text_chunk", text: "circle." }]).text).toBe("A red circle.");
    const long = after([{ type: "text_chunk", text: "a".repeat(MAX_TEXT) }, { type: "text_chunk", text: "end" }]).text;
    expect(long.length).toBe(MAX_TEXT);
    expect(long.endsWith("aend")).toBe(true);
  });

  it("of an unknown session are ignored", () => {
    expect(reduce(initialState, { type: "event", id: "?", event: { sequence: 0, at: 0, type: "state", state: "running", reason: "" } })).toEqual(initialState);
  });

  it("keep memory bounded in an endless session", () => {
    const many = Array.from({ length: MAX_BLOCKS + 50 }, (_, i) => frames(Math.floor(i / 3), i % 3, 12 * i, 12, i));
    const end = after(many, session("s", { format: { ...session("s").format, segments: 0, videoFrames: null } }));
    expect(end.blocks.length).toBe(MAX_BLOCKS);
    expect(generatedFrames(end)).toBe(12 * (MAX_BLOCKS + 50));
  });
});

describe("a prompt", () => {
  it("is pending until the block that it applies to, and colours what follows", () => {
    let state = reduce(initialState, { type: "created", session: after([
      { type: "prompt_applied", segment: 0, block: 0, prompt: "a red circle" }, frames(0, 0, 0, 9, 0.4)]) });
    state = reduce(state, { type: "prompt_sent", id: "s", prompt: "a blue star" });
    expect(state.sessions[0]!.pendingPrompt).toBe("a blue star");
    state = reduce(state, { type: "event", id: "s", event: { sequence: 9, at: 1, type: "prompt_applied", segment: 0, block: 1, prompt: "a blue star" } });
    const [applied] = state.sessions;
    expect(applied!.pendingPrompt).toBeNull();
    expect(applied!.prompt).toBe("a blue star");
    expect(applied!.blocks.map((b) => promptIndex(applied!, b.prompt))).toEqual([0, 1]);
  });

  it("that the server refuses is pending no more", () => {
    const state = reduce(reduce(initialState, { type: "created", session: session("s", { pendingPrompt: "late" }) }), { type: "prompt_refused", id: "s" });
    expect(state.sessions[0]!.pendingPrompt).toBeNull();
  });

  it("is shown with the frames that were made under it", () => {
    const s = after([frames(0, 0, 0, 9, 0.4, "red"), frames(0, 1, 9, 12, 1.0, "blue")]);
    expect([0, 0.5, 0.6, 99].map((t) => promptAt(s, t))).toEqual(["red", "red", "blue", "blue"]);
    expect(promptAt(session("s"), 0)).toBe("a red circle");
  });

  it("that was never applied is forgotten when the session ends", () => {
    expect(after([{ type: "state", state: "stopped", reason: "by request" }], session("s", { pendingPrompt: "late" })).pendingPrompt).toBeNull();
  });
});

describe("what is measured", () => {
  it("is the server's time to the first block and the model's speed while it works", () => {
    const s = after([frames(0, 0, 0, 9, 0.4), frames(0, 1, 9, 12, 1.0), frames(0, 2, 21, 12, 1.6)]);
    expect(firstBlockSeconds(s)).toBe(0.4);
    expect(modelFps(s)).toBeCloseTo(33 / 0.9);
    expect(modelFps(session("s"))).toBeNull();
  });

  it("keeps the first measurement of the first frame on screen", () => {
    const shown = (milliseconds: number): Action => ({ type: "first_frame_shown", id: "s", milliseconds });
    const state = reduce(reduce(reduce(initialState, { type: "created", session: session("s") }), shown(412)), shown(999));
    expect(state.sessions[0]!.firstFrameShownMs).toBe(412);
  });
});

describe("the time line", () => {
  it("shows the blocks to come from the start", () => {
    expect(timeline(session("s")).map((row) => row.length)).toEqual([3, 2]);
  });

  it("of a session that has ended shows what was made", () => {
    const progress: Body = { type: "block_progress", segment: 0, block: 2, step: 1, steps: 4 };
    const s = after([frames(0, 0, 0, 9, 0), frames(0, 1, 9, 12, 1), progress, { type: "state", state: "stopped", reason: "" }]);
    expect(timeline(s).map((row) => row.length)).toEqual([2]);
  });

  it("of a fork has the blocks of its origin and those that are to come, also beyond the origin's end", () => {
    const fork = session("s", { forkedFrom: "o", replayBlocks: 3, format: { ...session("s").format, segments: 3, videoFrames: 81 } });
    expect(timeline(fork).map((row) => row.length), "before it is told of any").toEqual([3, 2, 2]);
    const shared = after([frames(0, 0, 0, 9, 0), frames(0, 1, 9, 12, 0), frames(0, 2, 21, 12, 0)], fork);
    expect(timeline(shared).map((row) => row.map(({ complete }) => complete))).toEqual([[true, true, true], [false, false], [false, false]]);
    expect(timeline(after([frames(0, 2, 21, 12, 0)], fork)).map((row) => row.length), "of a long one the oldest are not told").toEqual([1, 2, 2]);
  });

  it("is as long as the list tells before the blocks are heard of", () => {
    expect(plannedSeconds(session("s", { state: "finished", madeFrames: 41 }))).toBe(41 / 16);
  });
  it("of an endless session ends with the block in work, as its length does", () => {
    const endless = session("s", { format: { ...session("s").format, segments: 0, videoFrames: null } });
    const second = after([frames(0, 0, 0, 9, 0), frames(0, 1, 9, 12, 1), frames(0, 2, 21, 12, 1), { type: "block_progress", segment: 1, block: 0, step: 1, steps: 4 }], endless);
    expect(timeline(second).map((row) => row.length)).toEqual([3, 1]);
    expect(plannedSeconds(second)).toBe((33 + 12) / 16);
    const told = after([frames(0, 0, 0, 9, 0), { type: "prompt_applied", segment: 0, block: 1, prompt: "a star" }], endless);
    expect(timeline(told).map((row) => row.length)).toEqual([1]);
  });
  it("of an endless session grows with its segments", () => {
    const endless = session("s", { format: { ...session("s").format, segments: 0, videoFrames: null } });
    expect(timeline(endless).length).toBe(1);
    expect(timeline(after([frames(0, 0, 0, 9, 0), frames(1, 0, 33, 12, 1)], endless)).length).toBe(2);
  });
  it("has the blocks that have begun where nobody knows how many will come", () => {
    const spoken = session("s", { format: { width: 64, height: 64, fps: 16, segments: 0, blocksPerSegment: 0, blocksPerLaterSegment: 0, videoFrames: null, hasSound: false } });
    expect(timeline(spoken).map((row) => row.length)).toEqual([0]);
    const running = after([frames(0, 0, 0, 9, 0), { type: "block_progress", segment: 0, block: 1, step: 1, steps: 4 }], spoken);
    expect(timeline(running)[0]!.map((block) => block.complete)).toEqual([true, false]);
    expect(timeline({ ...running, blocks: running.blocks.slice(-1) })[0]!.map((block) => block.block)).toEqual([1]);
  });
});

describe("a list from the server", () => {
  const listed = (state: State, sessions: Session[], known: string[] = []): State => reduce(state, { type: "listed", sessions, known: new Set(known) });
  const ids = (state: State): string[] => state.sessions.map(({ id }) => id);

  it("adds what the page does not know and keeps what it knows", () => {
    let state = reduce(initialState, { type: "created", session: session("mine", { firstFrameShownMs: 300 }) });
    state = listed(state, [session("other"), session("mine")]);
    expect(state.sessions.map((s) => [s.id, s.firstFrameShownMs])).toEqual([["other", null], ["mine", 300]]);
    expect(ids(reduce(state, { type: "removed", id: "mine" }))).toEqual(["other"]);
  });

  it("that says nothing new changes nothing", () => {
    const state = listed(initialState, [session("a"), session("b")]);
    expect(listed(state, [session("a"), session("b")], ["a", "b"])).toBe(state);
  });

  it("loses what others removed, but not what was made while it was asked for", () => {
    const state = listed(initialState, [session("old"), session("gone")]);
    const made = reduce(state, { type: "created", session: session("new") });
    expect(ids(listed(made, [session("old")], ["old", "gone"]))).toEqual(["new", "old"]);
  });

  it("tells how far those are that nobody follows, and of a followed one its end", () => {
    const followed = after([frames(0, 0, 0, 9, 0, "blue"), { type: "state", state: "running", reason: "" }]);
    const state: State = { ...initialState, sessions: [followed, session("far")] };
    const news = listed(state, [session("s", { state: "queued", prompt: "late", madeFrames: 9 }), session("far", { state: "running", madeFrames: 21 })], ["s", "far"]);
    expect(news.sessions.map((s) => [s.state, s.madeFrames, s.prompt])).toEqual([["running", 9, "a red circle"], ["running", 21, "a red circle"]]);
    const replaying = { forks: { least: 0, most: 2, leastKept: 1, noReplay: null }, replayBlocks: 3, replayedBlocks: 2 };
    expect(listed(news, [session("s", replaying), session("far", replaying)], ["s", "far"]).sessions, "only the list tells these").toMatchObject([replaying, replaying]);
    expect(listed(news, [session("s", { state: "stopped", reason: "the server's end" })], ["s", "far"]).sessions[0]!.state).toBe("stopped");
    const left = reduce(news, { type: "left", id: "s" });
    expect(listed(left, [session("s", { state: "paused", prompt: "newer" })], ["s", "far"]).sessions[0]).toMatchObject({ state: "paused", prompt: "newer" });
  });

  it("comes anew from a server that was gone", () => {
    const state: State = { ...initialState, sessions: [after([frames(0, 0, 0, 9, 0)])] };
    const again = reduce(reduce(state, { type: "begun_anew", id: "s" }), { type: "event", id: "s", event: { ...frames(0, 0, 0, 12, 0), sequence: 0, at: 0 } });
    expect(generatedFrames(again.sessions[0]!)).toBe(12);
  });
});

describe("new words", () => {
  it("are seen after the block in work, which is as long as the one before", () => {
    const begun: Body = { type: "block_progress", segment: 0, block: 2, step: 1, steps: 4 };
    const made = [frames(0, 0, 0, 9, 0), frames(0, 1, 9, 12, 1)];
    expect(nextBlockAt(session("s"))).toBe(0);
    expect(nextBlockAt(after(made))).toBe(21 / 16);
    expect(nextBlockAt(after([...made, begun]))).toBe(33 / 16);
  });
});

describe("the time line's length", () => {
  it("is the video's, and of an endless one what there is and the block in work", () => {
    const made = [frames(0, 0, 0, 9, 0), frames(0, 1, 9, 12, 1)];
    expect(plannedSeconds(after(made))).toBe(57 / 16);
    const told = after([{ type: "state", state: "running", reason: "" }, frames(0, 0, 0, 9, 0)], session("s", { state: "finished", madeFrames: 41 }));
    expect([told.state, plannedSeconds(told)], "its events are told from the first on").toEqual(["finished", 41 / 16]);
    expect(plannedSeconds(session("s", { state: "finished", madeFrames: 41 })), "its blocks are told later").toBe(41 / 16);
    expect(plannedSeconds(after([...made, { type: "state", state: "stopped", reason: "" }]))).toBe(21 / 16);
    const endless = session("s", { format: { ...session("s").format, segments: 0, videoFrames: null } });
    expect(plannedSeconds(after([...made, { type: "block_progress", segment: 0, block: 2, step: 1, steps: 4 }], endless))).toBe(33 / 16);
  });
});
