// Predictions that outlive the page: questions, words and small pictures in the browser's storage. Videos stay with the
// server, which keeps them for a while.
import type { Prediction, State } from "./state";

const KEY = "rushes.predictions.1";
/** Each has up to some 50 kB of small pictures; browsers give a page 5 MB. */
export const MAX_KEPT = 30;

/** What was still being made can be followed again where the server has begun it. */
export function load(storage: Pick<Storage, "getItem">): State {
  let kept: Prediction[] = [];
  try {
    const found = JSON.parse(storage.getItem(KEY) ?? "[]") as Prediction[];
    kept = found.filter(({ id, question, words, film }) => id && question.pictures.length > 0 && words.state && film.state);
  } catch { /* of another version, or none may be kept: it begins anew */ }
  const predictions = kept.map((p): Prediction => {
    if (p.running === null || p.running.session !== null) return p;
    const reason = "The page was left before the server had the question.";
    return {
      ...p, running: null,
      words: p.running.halves.includes("text") ? { ...p.words, state: "failed", reason } : p.words,
      film: p.running.halves.includes("video") ? { ...p.film, state: "failed", reason } : p.film,
    };
  });
  return { predictions, selected: predictions[0]?.id ?? null };
}

/** The newest ones, as many as there is room for. */
export function save(storage: Pick<Storage, "setItem">, { predictions }: State): void {
  const kept = predictions.slice(0, MAX_KEPT).map((p) => ({ ...p, film: { ...p.film, frames: [], preview: null } }));
  for (; ; kept.pop()) {
    try {
      storage.setItem(KEY, JSON.stringify(kept));
      return;
    } catch {
      if (kept.length === 0) return;  // nothing may be kept here
    }
  }
}
