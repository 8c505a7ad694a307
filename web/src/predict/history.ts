// Predictions that outlive the page: questions, words and small pictures in the browser's storage. Videos stay with the
// server, which keeps them for a while. All tabs write to one place: each keeps what the others have there.
import { type History, type Prediction, type State, merged } from "./state";

const KEY = "rushes.predictions.1";
/** Each has up to some 50 kB of small pictures; browsers give a page 5 MB. */
export const MAX_KEPT = 30;

/** What was still being made can be followed again where the server has begun it. */
export function load(storage: Pick<Storage, "getItem">): State {
  const kept = read(storage.getItem(KEY));
  const predictions = kept.predictions.map((p): Prediction => {
    if (p.running === null || p.running.session !== null) return p;
    const reason = "The page was left before the server had the question.";
    return {
      ...p, running: null,
      words: p.running.halves.includes("text") ? { ...p.words, state: "failed", reason } : p.words,
      film: p.running.halves.includes("video") ? { ...p.film, state: "failed", reason } : p.film,
    };
  });
  return { ...kept, predictions, selected: predictions[0]?.id ?? null };
}

/** The newest ones, as many as there is room for, with those of other tabs. */
export function save(storage: Pick<Storage, "getItem" | "setItem">, { predictions, removed }: State): void {
  const own = predictions.map((p) => ({ ...p, film: { ...p.film, frames: [], preview: null } }));
  const all = merged({ predictions: own, removed }, read(storage.getItem(KEY)));
  const kept: History = { ...all, predictions: all.predictions.slice(0, MAX_KEPT) };
  for (; ; kept.predictions.pop()) {
    try {
      storage.setItem(KEY, JSON.stringify(kept));
      return;
    } catch {
      if (kept.predictions.length === 0) return;  // nothing may be kept here
    }
  }
}

/** Tells what other tabs have written, until the returned function is called. */
export function listen(tell: (history: History) => void): () => void {
  const on = ({ key, newValue }: StorageEvent): void => { if (key === KEY) tell(read(newValue)); };
  window.addEventListener("storage", on);
  return () => window.removeEventListener("storage", on);
}

/** Nothing where it is of another version, or where none may be kept. */
function read(text: string | null): History {
  try {
    const found = JSON.parse(text ?? "[]") as Prediction[] | History;
    const { predictions, removed } = Array.isArray(found) ? { predictions: found, removed: [] } : found;
    const whole = predictions.filter(({ id, question, words, film }) => id && question.pictures.length > 0 && words.state && film.state);
    return { predictions: whole.map((p) => ({ ...p, revision: p.revision ?? 0, warnings: p.warnings ?? [] })), removed: removed.filter((id) => typeof id === "string") };
  } catch {
    return { predictions: [], removed: [] };
  }
}
