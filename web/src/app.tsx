// The page: a prompt, and the sessions that came of it. Effects live here and in player.ts; components only draw.
import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import * as api from "./api";
import { ModelChoice } from "./components/model_choice";
import { PredictView } from "./components/predict_view";
import { type Draft, PromptForm, firstDraft } from "./components/prompt_form";
import { SessionCard } from "./components/session_card";
import { TalkView } from "./components/talk_view";
import { type View, chosenFor, firstView, modelsFor } from "./models";
import { initialState, reduce } from "./state";

const VIEWS: [View, string][] = [["video", "Text to video"], ["talk", "Talking head"], ["predict", "Prediction"]];
/** Until the model that is shown is loaded. */
const LOOK_AGAIN_MS = 2000;

export function App() {
  const [state, dispatch] = useReducer(reduce, initialState);
  const [models, setModels] = useState<api.ModelInfo[] | null>(null);
  const [draft, setDraft] = useState<Draft>(firstDraft);
  const [wanted, setWanted] = useState<View | null>(() => VIEWS.find(([name]) => location.hash === `#${name}`)?.[0] ?? null);
  const [chosen, setChosen] = useState<Partial<Record<View, string>>>({});
  const clickedAt = useRef(new Map<string, number>());

  const report = useCallback((error: unknown) => {
    dispatch({ type: "notice", text: error instanceof Error ? error.message : String(error) });
  }, []);

  // A program that feeds frames begins its session when it has the first ones, be the page open or not.
  const empty = state.sessions.length === 0;
  useEffect(() => {
    const list = (failed: (error: unknown) => void): void =>
      void api.listSessions().then((sessions) => dispatch({ type: "listed", sessions }), failed);
    list(report);
    if (!empty) return;
    const again = setInterval(() => list(() => {}), 1000);
    return () => clearInterval(again);
  }, [empty, report]);

  useEffect(() => {
    api.models().then(setModels, report);
  }, [report]);

  const of = (view: View): api.ModelInfo | null => chosenFor(view, models ?? [], chosen[view]);
  const found: Record<View, api.ModelInfo | null> = { video: of("video"), talk: of("talk"), predict: of("predict") };
  const { video, talk, predict: predictor } = found;
  const predictors = modelsFor("predict", models ?? []);
  const views = VIEWS.filter(([name]) => found[name]);
  const first = firstView(models ?? []);
  const view: View = wanted !== null && (models === null || found[wanted]) ? wanted : first;
  const shown = found[view];
  // Predictions have a place of their own.
  const sessions = state.sessions.filter(({ model }) => !predictors.some(({ name }) => name === model));

  const isReady = shown === null || shown.state === "loaded";
  useEffect(() => {
    if (isReady) return;
    const again = setInterval(() => void api.models().then(setModels, () => undefined), LOOK_AGAIN_MS);
    return () => clearInterval(again);
  }, [isReady]);

  useEffect(() => {
    if (models !== null) history.replaceState(null, "", view === first ? location.pathname + location.search : `#${view}`);
  }, [models, view, first]);

  const generate = async (request: api.GenerationRequest, clicked: number): Promise<void> => {
    try {
      const session = await api.createSession({ ...request, ...(video && !video.isDefault && { model: video.name }) });
      clickedAt.current.set(session.id, clicked);
      dispatch({ type: "created", session });
    } catch (error) {
      report(error);
    }
  };

  return (
    <>
      <header className="masthead">
        <h1>rushes</h1>
        {shown && <ModelChoice model={shown} models={modelsFor(view, models ?? [])} onModel={(name) => setChosen((before) => ({ ...before, [view]: name }))} />}
        {views.length > 1 && (
          <nav className="choice" aria-label="What to generate">
            {views.map(([value, label]) => (
              <label key={value} className={value === view ? "on" : ""}>
                <input type="radio" name="view" checked={value === view} onChange={() => setWanted(value)} />
                {label}
              </label>
            ))}
          </nav>
        )}
      </header>
      <main>
        {view === "talk" && talk && <TalkView key={talk.name} model={talk} onError={report} />}
        {view === "video" && <PromptForm key={`${draft.prompt} ${draft.seed}`} draft={draft} sizes={video?.trainedFor?.sizes ?? []} onGenerate={generate} onError={report} />}
        {state.notice && (
          <div className="notice" role="alert">
            <span>{state.notice}</span>
            <button type="button" className="quiet" onClick={() => dispatch({ type: "notice", text: null })} aria-label="Dismiss">✕</button>
          </div>
        )}
        {predictor && <PredictView model={predictor} isOne={predictors.length > 1} hidden={view !== "predict"} onError={report} />}
        <section hidden={view !== "video"} className={`sessions ${sessions.length === 1 ? "alone" : ""}`} aria-label="Sessions">
          {sessions.map((session) => (
            <SessionCard
              key={session.id}
              session={session}
              loops={models?.find((model) => model.name === session.model)?.options.has("loop") ?? false}
              controls={models?.find((model) => model.name === session.model)?.controls ?? []}
              onSet={(changed) => void api.setOptions(session.id, changed).catch(report)}
              onEvent={(event) => dispatch({ type: "event", id: session.id, event })}
              onFirstFrame={() => {
                const clicked = clickedAt.current.get(session.id);
                if (clicked !== undefined)
                  dispatch({ type: "first_frame_shown", id: session.id, milliseconds: performance.now() - clicked });
              }}
              onPrompt={(prompt) => {
                // Noted before the request is sent: the event that the prompt was applied can arrive before the answer.
                dispatch({ type: "prompt_sent", id: session.id, prompt });
                api.sendPrompt(session.id, prompt).catch((error: unknown) => {
                  dispatch({ type: "prompt_refused", id: session.id });
                  report(error);
                });
              }}
              onStop={() => void api.stop(session.id).catch(report)}
              onPause={() => void (session.state === "paused" ? api.resume : api.pause)(session.id).catch(report)}
              onFork={(prompt, blocks) => void api.fork(session.id, prompt, blocks).then((forked) => dispatch({ type: "created", session: forked }), report)}
              onPace={(realTime) =>
                void api.setPacing(session.id, realTime ? "realtime" : "asap").then(() => dispatch({ type: "paced", id: session.id, realTime }), report)}
              onReuse={() => {
                setDraft({ prompt: session.firstPrompt, seed: session.seed === null ? "" : String(session.seed) });
                window.scrollTo({ top: 0, behavior: "smooth" });
              }}
              onRemove={() => void api.remove(session.id).then(() => dispatch({ type: "removed", id: session.id }), report)}
              onError={report}
            />
          ))}
        </section>
        {view === "video" && sessions.length === 0 && (
          <p className="empty">The video appears here block by block, while the model is still generating it.</p>
        )}
      </main>
    </>
  );
}
