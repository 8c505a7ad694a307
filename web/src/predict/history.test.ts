import { describe, expect, it, vi } from "vitest";
import { PredictionError } from "./client";
import { MAX_KEPT, listen, load, save } from "./history";
import { failureOf, reasonOf } from "./reasons";
import { type Action, type History, type State, reduce } from "./state";

/** Room for so many characters. */
class Store {
  text: string | null = null;
  constructor(readonly room = 1e9) {}
  getItem(): string | null { return this.text; }
  setItem(_: string, text: string): void {
    if (text.length > this.room) throw new DOMException("full", "QuotaExceededError");
    this.text = text;
  }
}
const asked = (id: string, askedAt = 5): Action => ({ type: "asked", id, question: { text: "what?", preset: "256", seed: 7, pictures: ["data:a"] }, halves: ["text", "video"], askedAt });
const after = (...actions: Action[]): State => actions.reduce(reduce, { predictions: [], removed: [], selected: null });
const kept = (store: Store): History => JSON.parse(store.text!) as History;
const frame: Action = { type: "event", id: "a", event: { type: "video_frame", frame_index: 0, total_frames: 2, jpeg: new Uint8Array() }, picture: "blob:0", ms: 9 };

describe("what outlives the page", () => {
  it("is all but what belongs to the page that has gone", () => {
    const store = new Store();
    save(store, after(asked("a"), { type: "begun", id: "a", session: "s", warnings: [] }, frame, { type: "last_frame", id: "a", small: "data:last" }));
    const [kept] = load(store).predictions;
    expect(kept).toMatchObject({ id: "a", question: { text: "what?", seed: 7 }, running: { session: "s", halves: ["text", "video"] }, firstFrameMs: 9 });
    expect(kept!.film).toMatchObject({ frames: [], lastFrame: "data:last", state: "thinking" });
  });

  it("cannot be followed where the server never had it", () => {
    const store = new Store();
    save(store, after(asked("a")));
    expect(load(store).predictions[0]).toMatchObject({ running: null, words: { state: "failed" }, film: { state: "failed" } });
  });

  it("is the newest that there is room for", () => {
    const many = after(...Array.from({ length: MAX_KEPT + 5 }, (_, i) => asked(`${i}`)));
    const store = new Store();
    save(store, many);
    expect(load(store).predictions.length).toBe(MAX_KEPT);
    const small = new Store(store.text!.length / 3);
    save(small, many);
    const kept = load(small).predictions.map(({ id }) => id);
    expect(kept).toEqual(many.predictions.slice(0, kept.length).map(({ id }) => id));
    expect(kept.length).toBeGreaterThan(5);
    save(new Store(0), many);
  });

  it("keeps what two tabs ask at the same time", () => {
    const store = new Store();
    let one = after(asked("a", 1)), other = after(asked("b", 2));
    save(store, one);
    save(store, other);
    one = reduce(one, { type: "begun", id: "a", session: "s", warnings: [] });
    save(store, one);
    expect(load(store).predictions.map(({ id, running }) => [id, running?.session])).toEqual([["b", undefined], ["a", "s"]]);
    other = reduce(other, { type: "shared", history: kept(store) });
    expect(other.predictions.map(({ id }) => id)).toEqual(["b", "a"]);
    expect(other.selected).toBe("b");
  });

  it("is in each tab what it is in the one that changed it last", () => {
    const store = new Store();
    const one = after(asked("a"), { type: "begun", id: "a", session: "s", warnings: [] });
    save(store, one);
    const later = reduce(reduce(one, { type: "lost", id: "a", reason: "It broke." }), { type: "retried", id: "a", halves: ["video"] });
    save(store, later);
    save(store, one);  // of a tab that has not heard of it yet
    expect(load(store).predictions[0]).toMatchObject({ revision: 3, words: { state: "failed", reason: "It broke." } });
    const ended = reduce(one, { type: "lost", id: "a", reason: "It broke." });
    expect(reduce(ended, { type: "shared", history: kept(store) }).predictions[0]!.running).toEqual({ session: null, halves: ["video"] });
    expect(reduce(one, { type: "shared", history: kept(store) })).toBe(one);  // what goes on here is the newest here
  });

  it("stays removed, whichever tab writes after that", () => {
    const store = new Store();
    const both = after(asked("a", 1), asked("b", 2), { type: "lost", id: "a", reason: "" });
    save(store, both);
    save(store, reduce(both, { type: "removed", id: "b" }));
    save(store, both);
    expect(load(store).predictions.map(({ id }) => id)).toEqual(["a"]);
    const other = reduce(both, { type: "shared", history: kept(store) });
    expect([other.predictions.map(({ id }) => id), other.selected]).toEqual([["a"], "a"]);
    save(store, reduce(other, { type: "cleared" }));
    save(store, both);
    expect(load(store).predictions).toEqual([]);
  });

  it("is told to the other tabs, and only once", () => {
    const store = new Store();
    const one = after(asked("a"));
    const heard: History[] = [];
    const target = new EventTarget();
    vi.stubGlobal("window", target);
    const leave = listen((history) => heard.push(history));
    const tell = (key: string): unknown => target.dispatchEvent(Object.assign(new Event("storage"), { key, newValue: store.text }));
    save(store, one);
    tell("rushes.question.1");
    expect(heard).toEqual([]);
    tell("rushes.predictions.1");
    expect(heard[0]!.predictions.map(({ id }) => id)).toEqual(["a"]);
    const other = reduce(after(), { type: "shared", history: heard[0]! });
    const before = store.text;
    save(store, other);
    expect(store.text).toBe(before);  // the same text is no news
    expect(reduce(other, { type: "shared", history: heard[0]! })).toBe(other);
    leave();
    tell("rushes.predictions.1");
    expect(heard.length).toBe(1);
    vi.unstubAllGlobals();
  });

  it("may be of a version that knew of one tab", () => {
    const store = new Store();
    const { revision, warnings, ...old } = after(asked("a"), { type: "begun", id: "a", session: "s", warnings: [] }).predictions[0]!;
    expect([revision, warnings]).toEqual([1, []]);
    store.text = JSON.stringify([old]);
    expect(load(store)).toMatchObject({ predictions: [{ id: "a", revision: 0, warnings: [] }], removed: [], selected: "a" });
  });

  it("is nothing where the storage holds something else", () => {
    for (const text of [null, "", "{", "{}", "[1]", '[{"id":"a"}]', "null"]) {
      const store = new Store();
      store.text = text;
      expect(load(store)).toEqual({ predictions: [], removed: [], selected: null });
    }
  });
});

describe("reasons", () => {
  it("are plain words", () => {
    const of = (code: string | null, status: number, detail: string, after: number | null = null): string => reasonOf(new PredictionError(detail, code, status, after));
    expect(of("BUSY", 429, "too many sessions", 3)).toBe("The server is busy. Try again in 3 s.");
    expect(of("NOT_READY", 503, "loading")).toBe("The model was still being loaded.");
    expect(of("INVALID_IMAGE", 400, "it is animated")).toBe("The picture cannot be used: it is animated.");
    expect(of(null, 422, "prompt: String should have at most 8192 bytes")).toBe("The question is too long, or has characters that cannot be read.");
    expect(of(null, 502, "<html>Bad Gateway</html>")).toBe("The server answered with 502.");
    expect(of(null, 500, '{"error": {}}')).toBe("The server answered with 500.");
    expect(reasonOf(new TypeError("Failed to fetch"))).toBe("The server cannot be reached. Is it still running?");
    expect(failureOf("out of memory", "VIDEO_ERROR")).toBe("Out of memory.");
    expect(failureOf("cancelled by the client", "CANCELLED")).toBe("Cancelled.");
  });
});
