// What the page shows of predictions, as a value, and the one function that changes it. Pure: no DOM, no network, no clock.
import type { PredictionEvent } from "./client";

/** A prediction has two, which end or fail apart. */
export type Half = "text" | "video";
export type HalfState = "thinking" | "done" | "failed";

/** What was asked; enough to ask it again. */
export interface Question {
  text: string;
  /** Absent: the server's first one. */
  model?: string;
  /** Size and length of the video; empty: the model's own. */
  preset: string;
  seed: number;
  /** Small, as `data:` addresses; oldest first, the last one begins the video. */
  pictures: string[];
}

export interface Words {
  state: HalfState;
  text: string;
  /** Why it failed, for people. */
  reason: string;
}

export interface Film {
  state: HalfState;
  reason: string;
  /** Of the server's session that made it; null: there is no file. */
  session: string | null;
  /** Addresses of the frames that have come, from the first one on; none any more when the film is on the screen. */
  frames: string[];
  totalFrames: number;
  step: number;
  steps: number;
  /** Address of what the last frame may be; replaced by later ones. */
  preview: string | null;
  /** The last frame, small, as `data:` address; empty before it. */
  lastFrame: string;
}

export interface Prediction {
  id: string;
  /** How often it has changed: of two copies, in two tabs, the one that changed more often is the newer. */
  revision: number;
  question: Question;
  /** Milliseconds since 1970. */
  askedAt: number;
  /** What may disappoint, as the server says it; sentences for people. */
  warnings: string[];
  /** That were asked for; of a model that only writes, text alone. */
  halves: Half[];
  /** The server's session that works on it, and what it makes; null: none does. */
  running: { session: string | null; halves: Half[] } | null;
  words: Words;
  film: Film;
  /** Milliseconds from the click until it was on this page; null: not yet. Of the first try. */
  firstWordMs: number | null;
  firstFrameMs: number | null;
  completeMs: number | null;
}

/** What the tabs of a browser share. */
export interface History {
  /** Newest first. */
  predictions: Prediction[];
  /** Ids of those that were removed: no other tab brings them back. */
  removed: string[];
}

export interface State extends History {
  /** The one that is shown. */
  selected: string | null;
}

export type Action =
  | { type: "asked"; id: string; question: Question; halves: Half[]; askedAt: number }
  /** The halves that failed are made again. */
  | { type: "retried"; id: string; halves: Half[] }
  | { type: "begun"; id: string; session: string; warnings: string[] }
  /** `picture`: address of the event's frame or preview; `ms`: since the click. */
  | { type: "event"; id: string; event: PredictionEvent; picture: string | null; ms: number }
  /** No more will come; `reason`, for people. */
  | { type: "lost"; id: string; reason: string }
  | { type: "last_frame"; id: string; small: string }
  | { type: "film_shown"; id: string }
  | { type: "selected"; id: string }
  | { type: "removed"; id: string }
  | { type: "cleared" }
  /** Another tab has changed the history. */
  | { type: "shared"; history: History };

/** Removed ones that are remembered: each tab that is open has heard of those before. */
const MAX_REMOVED = 200;

const noWords: Words = { state: "thinking", text: "", reason: "" };
const noFilm: Film = {
  state: "thinking", reason: "", session: null, frames: [], totalFrames: 0, step: 0, steps: 0, preview: null, lastFrame: "",
};

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "asked": {
      const { id, question, halves, askedAt } = action;
      const asked: Prediction = {
        id, revision: 0, question, askedAt, warnings: [], halves, running: { session: null, halves }, words: noWords, film: noFilm,
        firstWordMs: null, firstFrameMs: null, completeMs: null,
      };
      return { ...state, predictions: [asked, ...state.predictions], selected: id };
    }
    case "selected":
      return { ...state, selected: action.id };
    case "removed":
      return changed(state, merged(state, { predictions: [], removed: [action.id] }));
    case "cleared":
      return changed(state, merged(state, { predictions: [], removed: state.predictions.filter(({ running }) => !running).map(({ id }) => id) }));
    case "shared": {
      // What goes on here is the newest here.
      const here = new Set(state.predictions.filter(({ running }) => running).map(({ id }) => id));
      const { predictions, removed } = action.history;
      return changed(state, merged(state, { predictions: predictions.filter(({ id }) => !here.has(id)), removed }));
    }
    default:
      return { ...state, predictions: state.predictions.map((p) => (p.id === action.id ? { ...change(p, action), revision: p.revision + 1 } : p)) };
  }
}

/** All that either knows of and neither has removed, each in its newer copy; `own` where both are equally new. */
export function merged(own: History, other: History): History {
  const removed = [...new Set([...own.removed, ...other.removed])].sort().slice(-MAX_REMOVED);
  const gone = new Set(removed);
  const newest = new Map<string, Prediction>();
  for (const p of [...own.predictions, ...other.predictions]) {
    const known = newest.get(p.id);
    if (!gone.has(p.id) && (!known || p.revision > known.revision)) newest.set(p.id, p);
  }
  return { predictions: [...newest.values()].sort((a, b) => b.askedAt - a.askedAt), removed };
}

/** The same state where nothing is different. */
function changed(state: State, { predictions, removed }: History): State {
  const same = <T>(a: T[], b: T[]): boolean => a.length === b.length && a.every((each, index) => each === b[index]);
  if (same(predictions, state.predictions) && same(removed, state.removed)) return state;
  const isThere = predictions.some(({ id }) => id === state.selected);
  return { predictions, removed, selected: isThere ? state.selected : (predictions[0]?.id ?? null) };
}

type Change = Exclude<Action, { type: "asked" | "selected" | "removed" | "cleared" | "shared" }>;

function change(p: Prediction, action: Change): Prediction {
  switch (action.type) {
    case "retried":
      return {
        ...p,
        running: { session: null, halves: action.halves },
        words: action.halves.includes("text") ? noWords : p.words,
        film: action.halves.includes("video") ? noFilm : p.film,
      };
    case "begun":
      return p.running ? { ...p, warnings: action.warnings, running: { ...p.running, session: action.session } } : p;
    case "event":
      return p.running ? takeEvent(p, p.running.halves, action) : p;
    case "lost":
      return ended(p, action.reason);
    case "last_frame":
      return { ...p, film: { ...p.film, lastFrame: action.small } };
    case "film_shown":
      return { ...p, film: { ...p.film, frames: [], preview: null } };
  }
}

function takeEvent(p: Prediction, halves: Half[], { event, picture, ms }: Extract<Action, { type: "event" }>): Prediction {
  const { words, film } = p;
  switch (event.type) {
    case "thinking_start":
      // Also after a lost connection: all is told again from here on.
      return { ...p, words: halves.includes("text") ? noWords : words, film: halves.includes("video") ? noFilm : film };
    case "text_chunk":
      return {
        ...p, words: { ...words, text: words.text + event.content, state: event.done ? "done" : words.state },
        firstWordMs: p.firstWordMs ?? (event.content === "" ? null : ms),
      };
    case "video_frame":
      if (picture === null || event.frame_index !== film.frames.length) return p;
      return {
        ...p, film: { ...film, frames: [...film.frames, picture], totalFrames: event.total_frames }, firstFrameMs: p.firstFrameMs ?? ms,
      };
    case "video_progress":
      return { ...p, film: { ...film, step: event.step, steps: event.steps, preview: picture ?? film.preview } };
    case "video_complete":
      return { ...p, film: { ...film, state: "done", session: p.running?.session ?? null } };
    case "error":
      return event.source === "text"
        ? { ...p, words: { ...words, state: "failed", reason: event.message } }
        : { ...p, film: { ...film, state: "failed", reason: event.message } };
    case "thinking_complete": {
      const over = ended({
        ...p, words: halves.includes("text") && words.state !== "failed" ? { ...words, state: "done", text: event.text } : words,
      }, "The server made no video.");
      // Of what was cancelled or has failed there is no such time, nor of a half that was made later.
      const isComplete = failedHalves(over).length === 0 && halves.length === p.halves.length;
      return isComplete ? { ...over, completeMs: p.completeMs ?? ms } : over;
    }
  }
}

/** Halves that have come to no end failed. */
const ended = (p: Prediction, reason: string): Prediction => {
  const end = <T extends Words | Film>(half: T, name: Half): T =>
    p.running?.halves.includes(name) && half.state === "thinking" ? { ...half, state: "failed", reason } : half;
  return { ...p, running: null, words: end(p.words, "text"), film: end(p.film, "video") };
};

// What the components draw, derived from a prediction.

export const failedHalves = (p: Prediction): Half[] =>
  p.halves.filter((half) => (half === "text" ? p.words : p.film).state === "failed");

/** Times of what was asked for; null: it may still come. What never will is left out. */
export const measures = (p: Prediction): { name: "firstWord" | "firstFrame" | "complete"; ms: number | null }[] => {
  const all = [
    { name: "firstWord" as const, ms: p.firstWordMs, wanted: p.halves.includes("text") },
    { name: "firstFrame" as const, ms: p.firstFrameMs, wanted: p.halves.includes("video") },
    // Of one half that is made again there is no such time.
    { name: "complete" as const, ms: p.completeMs, wanted: p.running === null || (p.running.halves.length === p.halves.length && failedHalves(p).length === 0) },
  ];
  return all.filter(({ ms, wanted }) => wanted && (ms !== null || p.running !== null)).map(({ name, ms }) => ({ name, ms }));
};

/** Addresses that the state holds; others can be let go. */
export const pictureAddresses = (state: State): Set<string> =>
  new Set(state.predictions.flatMap(({ film }) => (film.preview === null ? film.frames : [...film.frames, film.preview])));

/** How far the video is, 0 to 1; null: nobody can tell. The last part is the decoding, of which nothing is told but its frames. */
export const filmProgress = ({ state, step, steps, frames, totalFrames }: Film): number | null => {
  if (state === "done") return 1;
  const decoded = frames.length > 1 && totalFrames > 0 ? frames.length / totalFrames : 0;
  if (steps === 0) return decoded > 0 ? decoded : null;
  return (0.8 * step) / steps + 0.2 * decoded;
};

/** A word for each half that was asked for, in the language of `say`. */
export const stateWords = (p: Prediction, say: (what: Half | HalfState) => string): string =>
  p.halves.map((half) => `${say(half)} ${say((half === "text" ? p.words : p.film).state)}`).join(", ");
