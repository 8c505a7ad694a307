// A picture and a question; the text comes at once, the video follows. Effects live here and in predict/asking.ts.
import { useCallback, useEffect, useEffectEvent, useReducer, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import * as api from "../api";
import { isCalm } from "../motion";
import { ask, watch } from "../predict/asking";
import { listen, load, save } from "../predict/history";
import { type ChosenPicture, MAX_PICTURES, choosePicture, keepOnly, keepPictures, keptPictures } from "../predict/pictures";
import { type Action, type Half, type Prediction, type Question, pictureAddresses, reduce } from "../predict/state";
import { PredictionHistory } from "./prediction_history";
import { type Draft, QuestionForm } from "./question_form";
import { ThinkingStream } from "./thinking_stream";

const DRAFT_KEY = "rushes.question.1";
/** Text comes many times a second; the storage is written less often. */
const SAVE_AFTER_MS = 300;
/** Looks at a video while it is made. */
const LOOKS = 3;

interface Props {
  model: api.ModelInfo;
  /** Of several. */
  isOne: boolean;
  hidden: boolean;
  onError: (error: unknown) => void;
  /** The person goes on: what was told before is over. */
  onNext: () => void;
}

export function PredictView({ model, isOne, hidden, onError, onNext }: Props) {
  const { t } = useTranslation();
  const [state, dispatch] = useReducer(reduce, null, () => load(storage));
  const [draft, setDraft] = useState(firstDraft);
  const [pictures, setPictures] = useState<ChosenPicture[]>([]);
  /** What could not be read of the newest choice. */
  const [unread, setUnread] = useState<string[]>([]);
  const answer = useRef<HTMLDivElement>(null);
  const going = useRef(new Map<string, AbortController>());
  /** The server's sessions that this tab follows, or has followed: what is drawn may lag behind what has ended. */
  const followed = useRef(new Set<string>());

  // ---- what outlives the page ----
  useEffect(() => {
    const write = (): void => save(storage, state);
    const timer = window.setTimeout(write, SAVE_AFTER_MS);
    window.addEventListener("pagehide", write);
    return () => {
      window.clearTimeout(timer);
      window.removeEventListener("pagehide", write);
    };
  }, [state]);
  useEffect(() => listen((history) => dispatch({ type: "shared", history })), []);
  useEffect(() => storage.setItem(DRAFT_KEY, JSON.stringify(draft)), [draft]);

  const held = useRef(new Set<string>());
  useEffect(() => {
    const now = pictureAddresses(state);
    for (const address of held.current) if (!now.has(address)) URL.revokeObjectURL(address);
    held.current = now;
  }, [state]);

  // ---- asking ----
  const run = useCallback((id: string, work: (signal: AbortSignal) => Promise<void>): void => {
    const control = new AbortController();
    going.current.set(id, control);
    void work(control.signal).finally(() => going.current.delete(id));
  }, []);
  const start = (id: string, question: Question, halves: Half[], asked: ChosenPicture[]): void => {
    const previews = draft.previews && model.options.has("previews") ? Math.max(1, Math.round(model.steps / (LOOKS + 1))) : 0;
    const tell = (action: Action): void => {
      if (action.type === "begun") followed.current.add(action.session);
      dispatch(action);
    };
    run(id, (signal) => ask(api.server(), { id, halves, question, pictures: asked, previews, signal }, tell));
  };
  const goOn = useCallback((): void => {
    setUnread([]);
    onNext();
  }, [onNext]);
  const askNow = (): void => {
    goOn();
    const asked = askedWith(draft, model, pictures);
    const { id, halves } = asked;
    const question: Question = { ...asked.question, ...(isOne && { model: model.name }) };
    dispatch({ type: "asked", ...asked, question });
    start(id, question, halves, pictures);
    // For another try. Where the browser keeps none, that needs the picture again.
    const ids = new Set([id, ...state.predictions.map((each) => each.id)]);
    void keepPictures(id, pictures).then(() => keepOnly(ids)).catch(() => undefined);
  };
  const retry = async ({ id, question }: Prediction, halves: Half[]): Promise<void> => {
    const kept = await keptPictures(id).catch(() => []);
    if (kept.length === 0) return onError(new Error(t("predict.gonePicture")));
    dispatch({ type: "retried", id, halves });
    start(id, question, halves, kept);
  };
  const reuse = async ({ id, question: { text, preset, seed } }: Prediction): Promise<void> => {
    setDraft((before) => ({ ...before, text, preset, seed: String(seed) }));
    setPictures(await keptPictures(id).catch(() => []));
    window.scrollTo({ top: 0, behavior: isCalm() ? "auto" : "smooth" });
  };
  /** What was being made when the page was left, or is being made for another tab. What another tab removed ends. */
  const follow = useEffectEvent(() => {
    for (const [id, control] of going.current)
      if (!state.predictions.some((each) => each.id === id)) control.abort();
    for (const { id, running, askedAt } of state.predictions) {
      if (!running?.session || followed.current.has(running.session)) continue;
      const { session } = running;
      followed.current.add(session);
      run(id, (signal) => watch(api.server(), { id, session, clicked: askedAt - performance.timeOrigin, signal }, dispatch));
    }
  });
  useEffect(() => follow(), [state.predictions]);

  // ---- pictures ----
  const take = useCallback((files: Iterable<File>): void => {
    goOn();
    void Promise.allSettled([...files].map(choosePicture)).then((results) => {
      const chosen: ChosenPicture[] = [];
      const reasons: string[] = [];
      for (const result of results)
        if (result.status === "fulfilled") chosen.push(result.value);
        else reasons.push(result.reason instanceof Error ? result.reason.message : String(result.reason));
      setUnread(reasons);
      if (chosen.length > 0) setPictures((before) => [...before, ...chosen].slice(-MAX_PICTURES));
    });
  }, [goOn]);
  useEffect(() => {
    if (hidden) return;
    const paste = (event: ClipboardEvent): void => {
      const files = [...event.clipboardData?.files ?? []];
      if (files.length === 0) return;
      event.preventDefault();
      take(files);
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  }, [hidden, take]);

  // What was asked just now is seen, also below a form that fills the screen.
  const newest = state.predictions[0]?.running ? state.predictions[0].id : null;
  useEffect(() => {
    if (newest !== null) answer.current?.scrollIntoView({ block: "nearest", behavior: isCalm() ? "auto" : "smooth" });
  }, [newest]);

  const shown = state.predictions.find(({ id }) => id === state.selected);
  const tell = (action: Action) => () => dispatch(action);
  return (
    <div className="predict" hidden={hidden}>
      <QuestionForm
        model={model} draft={draft} pictures={pictures} unread={unread} onFiles={take} onAsk={askNow}
        onDraft={(changed) => setDraft((before) => ({ ...before, ...changed }))}
        onExample={(example) => void api.exampleFile(example).then((file) => take([file]), onError)}
        onForget={(index) => setPictures((before) => before.toSpliced(index, 1))}
      />
      <div ref={answer} className="answer-place">{shown && (
        <ThinkingStream
          key={shown.id} prediction={shown} onCancel={() => going.current.get(shown.id)?.abort()} onRetry={(halves) => void retry(shown, halves)}
          onReuse={() => void reuse(shown)} onRemove={tell({ type: "removed", id: shown.id })} onFilmShown={tell({ type: "film_shown", id: shown.id })}
        />
      )}</div>
      {!shown && <p className="empty">{t("predict.empty")}</p>}
      {state.predictions.length > 0 && (
        <PredictionHistory predictions={state.predictions} selected={state.selected} onSelect={(id) => dispatch({ type: "selected", id })} onClear={tell({ type: "cleared" })} />
      )}
    </div>
  );
}

const askedWith = (draft: Draft, model: api.ModelInfo, pictures: ChosenPicture[]): { id: string; question: Question; halves: Half[]; askedAt: number } => {
  const seed = Number.parseInt(draft.seed, 10);
  const question = {
    text: draft.text.trim(), preset: model.presets.includes(draft.preset) ? draft.preset : "",
    seed: Number.isNaN(seed) ? Math.floor(Math.random() * 1e6) : seed, pictures: pictures.map(({ small }) => small),
  };
  const askedAt = Date.now();
  return { id: `${askedAt}-${Math.random()}`, question, halves: model.makesVideo ? ["text", "video"] : ["text"], askedAt };
};

/** The browser's, or where it allows none, one that forgets. */
const storage: Pick<Storage, "getItem" | "setItem"> = (() => {
  try {
    return localStorage;
  } catch {
    return { getItem: () => null, setItem: () => undefined };
  }
})();

const firstDraft = (): Draft => {
  const draft: Draft = { text: "", preset: "", seed: "", previews: false };
  try {
    return { ...draft, ...JSON.parse(storage.getItem(DRAFT_KEY) ?? "{}") as Partial<Draft> };
  } catch {
    return draft;
  }
};
