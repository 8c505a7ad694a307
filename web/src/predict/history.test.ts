import { describe, expect, it } from "vitest";
import { PredictionError } from "./client";
import { MAX_KEPT, load, save } from "./history";
import { failureOf, reasonOf } from "./reasons";
import { type Action, type State, reduce } from "./state";

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
const asked = (id: string): Action => ({ type: "asked", id, question: { text: "what?", preset: "256", seed: 7, pictures: ["data:a"] }, halves: ["text", "video"], askedAt: 5 });
const after = (...actions: Action[]): State => actions.reduce(reduce, { predictions: [], selected: null });
const frame: Action = { type: "event", id: "a", event: { type: "video_frame", frame_index: 0, total_frames: 2, jpeg: new Uint8Array() }, picture: "blob:0", ms: 9 };

describe("what outlives the page", () => {
  it("is all but what belongs to the page that has gone", () => {
    const store = new Store();
    save(store, after(asked("a"), { type: "begun", id: "a", session: "s" }, frame, { type: "last_frame", id: "a", small: "data:last" }));
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

  it("is nothing where the storage holds something else", () => {
    for (const text of [null, "", "{", "{}", "[1]", '[{"id":"a"}]', "null"]) {
      const store = new Store();
      store.text = text;
      expect(load(store)).toEqual({ predictions: [], selected: null });
    }
  });
});

describe("reasons", () => {
  it("are plain words", () => {
    const of = (code: string | null, status: number, detail: string, after: number | null = null): string => reasonOf(new PredictionError(detail, code, status, after));
    expect(of("BUSY", 429, "too many sessions", 3)).toBe("The server is busy. Try again in 3 s.");
    expect(of("NOT_READY", 503, "loading")).toBe("The model is still being loaded. Try again in a moment.");
    expect(of("INVALID_IMAGE", 400, "it is animated")).toBe("The picture cannot be used: it is animated.");
    expect(of(null, 422, "prompt: String should have at most 8192 bytes")).toBe("The question is too long, or has characters that cannot be read.");
    expect(of(null, 502, "<html>Bad Gateway</html>")).toBe("The server answered with 502.");
    expect(of(null, 500, '{"error": {}}')).toBe("The server answered with 500.");
    expect(reasonOf(new TypeError("Failed to fetch"))).toBe("The server cannot be reached. Is it still running?");
    expect(failureOf("out of memory", "VIDEO_ERROR")).toBe("Out of memory.");
    expect(failureOf("cancelled by the client", "CANCELLED")).toBe("Cancelled.");
  });
});
