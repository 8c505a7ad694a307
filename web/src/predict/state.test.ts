import { describe, expect, it } from "vitest";
import type { PredictionEvent } from "./client";
import { type Action, type Half, type Prediction, type State, failedHalves, filmProgress, measures, pictureAddresses, reduce, stateWords } from "./state";

const nothing: State = { predictions: [], removed: [], selected: null };
const question = { text: "what?", preset: "", seed: 7, pictures: ["data:a"] };
const asked = (id = "p", halves: Half[] = ["text", "video"]): Action => ({ type: "asked", id, question, halves, askedAt: 1000 });
let clock = 0;
const event = (event: PredictionEvent, picture: string | null = null): Action => ({ type: "event", id: "p", event, picture, ms: ++clock });
const jpeg = new Uint8Array();
const start = event({ type: "thinking_start" });
const word = (content: string): Action => event({ type: "text_chunk", content });
const frame = (index: number, total = 3): Action => event({ type: "video_frame", frame_index: index, total_frames: total, jpeg }, `blob:${index}`);
const film = event({ type: "video_complete", video_url: "/api/videos/s.mp4" });
const complete = (text: string): Action => event({ type: "thinking_complete", text, video_url: null });
const failed = (source: Half, message = "It broke."): Action => event({ type: "error", source, message, code: "X" });
const begun: Action = { type: "begun", id: "p", session: "s", warnings: [] };

const after = (actions: Action[], state = nothing): State => actions.reduce(reduce, state);
const one = (actions: Action[], state = nothing): Prediction => after(actions, state).predictions[0]!;

describe("a prediction", () => {
  it("shows words and the first frame while the other half is still thought about", () => {
    const p = one([asked(), begun, start, word("a "), frame(0), word("ball")]);
    expect([p.words.text, p.film.frames, p.words.state, p.film.state]).toEqual(["a ball", ["blob:0"], "thinking", "thinking"]);
    expect(stateWords(p, String)).toBe("text thinking, video thinking");
  });

  it("has its film before the words end, and then both", () => {
    const filmed = one([asked(), begun, start, word("a"), frame(0), frame(1), frame(2), film]);
    expect([filmed.film.state, filmed.film.session, filmed.words.state, filmed.running !== null]).toEqual(["done", "s", "thinking", true]);
    const both = one([complete("a ball")], { predictions: [filmed], removed: [], selected: "p" });
    expect([both.words.state, both.words.text, both.running, failedHalves(both)]).toEqual(["done", "a ball", null, []]);
  });

  it("has its words complete while the video is still being made", () => {
    const spoken = one([asked(), begun, start, word("a "), frame(0), event({ type: "text_chunk", content: "ball", done: true })]);
    expect([spoken.words.state, spoken.words.text, spoken.film.state, spoken.running !== null]).toEqual(["done", "a ball", "thinking", true]);
    expect(stateWords(spoken, String)).toBe("text done, video thinking");
    const both = one([film, complete("a ball")], { predictions: [spoken], removed: [], selected: "p" });
    expect([both.words, both.film.state, both.running]).toEqual([spoken.words, "done", null]);
    expect(one([asked(), begun, start, event({ type: "text_chunk", content: "", done: true })]).firstWordMs).toBeNull();
  });

  it("keeps what the server says of it", () => {
    expect(one([asked(), { ...begun, warnings: ["too large"] }, start]).warnings).toEqual(["too large"]);
  });

  it("measures the first word and the first frame once", () => {
    clock = 0;
    const p = one([asked(), begun, word("a"), word("b"), frame(0), frame(1)]);
    expect([p.firstWordMs, p.firstFrameMs, p.completeMs]).toEqual([1, 3, null]);
  });

  it("has a time at which it was complete only if all of it was made", () => {
    clock = 0;
    expect(one([asked(), begun, start, word("a"), film, complete("a")]).completeMs).toBe(2);
    expect(one([asked(), begun, start, word("a"), failed("video", "Cancelled."), complete("a")]).completeMs).toBeNull();
    const later = after([asked(), begun, start, word("a"), failed("video", "Out of paint."), complete("a"), { type: "retried", id: "p", halves: ["video"] }, start, film, complete("a")]);
    expect([later.predictions[0]!.film.state, later.predictions[0]!.completeMs]).toEqual(["done", null]);
  });

  it("takes each frame once and in order", () => {
    expect(one([asked(), begun, frame(0), frame(0), frame(2), frame(1)]).film.frames).toEqual(["blob:0", "blob:1"]);
  });

  it("that is told again after a lost connection begins anew", () => {
    const p = one([asked(), begun, start, word("a ba"), frame(0), start, word("a "), word("ball"), frame(0)]);
    expect([p.words.text, p.film.frames]).toEqual(["a ball", ["blob:0"]]);
  });

  it("of a model that only writes has no other half to wait for", () => {
    const p = one([asked("p", ["text"]), begun, start, word("a"), complete("a")]);
    expect([p.words.state, failedHalves(p), stateWords(p, String)]).toEqual(["done", [], "text done"]);
  });
});

describe("a half that fails", () => {
  const halfFailed = [asked(), begun, start, failed("video", "Out of paint."), word("a"), complete("a")];

  it("leaves the other one alone", () => {
    const p = one(halfFailed);
    expect([p.words.state, p.film.state, p.film.reason, failedHalves(p)]).toEqual(["done", "failed", "Out of paint.", ["video"]]);
  });

  it("is made again alone: what is there stays", () => {
    const again = after([...halfFailed, { type: "retried", id: "p", halves: ["video"] }]);
    expect([again.predictions[0]!.film.state, again.predictions[0]!.words.text]).toEqual(["thinking", "a"]);
    const p = one([{ type: "begun", id: "p", session: "t", warnings: [] }, start, frame(0), frame(1), frame(2), film, complete("")], again);
    expect([p.film.state, p.film.session, p.words.state, p.words.text]).toEqual(["done", "t", "done", "a"]);
  });

  it("keeps its own reason when the connection is lost afterwards", () => {
    const p = one([asked(), begun, start, failed("text", "Out of words."), { type: "lost", id: "p", reason: "Lost." }]);
    expect([p.words.reason, p.film.reason, p.running]).toEqual(["Out of words.", "Lost.", null]);
  });

  it("is said to have failed where the end comes without a film", () => {
    expect(one([asked(), begun, start, word("a"), complete("a")]).film).toMatchObject({ state: "failed", reason: "The server made no video." });
  });
});

describe("the times of a prediction", () => {
  const names = (actions: Action[]): string[] => measures(one(actions)).map(({ name, ms }) => `${name} ${ms === null ? "-" : "ms"}`);

  it("are all there, or still to come", () => {
    expect(names([asked(), begun])).toEqual(["firstWord -", "firstFrame -", "complete -"]);
    expect(names([asked(), begun, start, word("a"), frame(0), film, complete("a")])).toEqual(["firstWord ms", "firstFrame ms", "complete ms"]);
    expect(names([asked("p", ["text"]), begun])).toEqual(["firstWord -", "complete -"]);
  });

  it("are left out where they never come: of what failed, was cancelled, or was made again alone", () => {
    const half = [asked(), begun, start, word("a"), failed("video", "Out of paint.")];
    expect(names(half)).toEqual(["firstWord ms", "firstFrame -"]);
    expect(names([...half, complete("a")])).toEqual(["firstWord ms"]);
    const again: Action[] = [...half, complete("a"), { type: "retried", id: "p", halves: ["video"] }];
    expect(names(again)).toEqual(["firstWord ms", "firstFrame -"]);
    expect(names([...again, start, frame(0), film, complete("a")])).toEqual(["firstWord ms", "firstFrame ms"]);
  });
});

describe("how far a video is", () => {
  const progress = (step: number, picture: string | null = null): Action =>
    event({ type: "video_progress", step, steps: 4, preview: picture === null ? null : { frame_index: 2, jpeg } }, picture);

  it("follows steps, then frames, and is unknown before", () => {
    const seen = [[], [progress(2)], [progress(2), progress(4)], [progress(4), frame(0), frame(1), frame(2)]]
      .map((actions) => filmProgress(one([asked(), begun, ...actions]).film));
    expect(seen).toEqual([null, 0.4, 0.8, 1]);
  });

  it("keeps the newest look at it until the film is there", () => {
    const state = after([asked(), begun, frame(0), progress(1, "blob:look"), progress(2)]);
    expect(state.predictions[0]!.film.preview).toBe("blob:look");
    expect(pictureAddresses(state)).toEqual(new Set(["blob:0", "blob:look"]));
    expect(pictureAddresses(reduce(state, { type: "film_shown", id: "p" })).size).toBe(0);
  });
});

describe("the list", () => {
  it("shows the newest question, and another one when that is removed", () => {
    const state = after([asked("a"), asked("b")]);
    expect([state.selected, state.predictions.map(({ id }) => id)]).toEqual(["b", ["b", "a"]]);
    expect(reduce(state, { type: "removed", id: "b" }).selected).toBe("a");
  });

  it("is cleared of all that has ended", () => {
    const state = after([asked("p"), begun, complete(""), asked("q"), { type: "cleared" }]);
    expect(state.predictions.map(({ id }) => id)).toEqual(["q"]);
  });
});
