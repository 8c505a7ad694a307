// The studio: words become sessions; one stands on the stage, all are in the library. Effects live here, in watching.ts,
// removal.ts and player.ts; components only draw.
import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import * as api from "./api";
import { ForkTree } from "./components/fork_tree";
import { Library } from "./components/library";
import { ModelChoice } from "./components/model_choice";
import { Places } from "./components/places";
import { Preferences } from "./components/preferences";
import { PredictView } from "./components/predict_view";
import { type Draft, PromptForm, firstDraft } from "./components/prompt_form";
import { SideBySide } from "./components/side_by_side";
import { Shortcuts } from "./components/shortcuts";
import { Stage } from "./components/stage";
import { TalkView } from "./components/talk_view";
import { TokenForm } from "./components/token_form";
import { ServerError, Unreachable, hasToken, root, setToken } from "./connection";
import { type ForkRequest, isReplaying } from "./continuing";
import { type Names, neighbour, renamed, titleOf } from "./library";
import { copy, share } from "./links";
import { type View, chosenFor, firstView, modelsFor } from "./models";
import { isCalm } from "./motion";
import { useRemoval } from "./removal";
import { addressOf, useRoute } from "./route";
import { type Session, initialState, reduce } from "./state";
import { useStored } from "./stored";
import { forgetThumbnail } from "./thumbnails";
import { useWatching } from "./watching";

const VIEWS: View[] = ["video", "talk", "predict"];
/** Until the model that is shown is loaded. */
const LOOK_AGAIN_MS = 2000;
/** As long as a short sentence takes to be read. */
const SAY_MS = 4000;

export function App() {
  const { t } = useTranslation();
  const [state, dispatch] = useReducer(reduce, initialState);
  const [models, setModels] = useState<api.ModelInfo[] | null>(null);
  const [draft, setDraft] = useStored<Draft>("rushes.video.1", firstDraft);
  const [picture, setPicture] = useState<string | null>(null);
  const [chosenModels, chooseModel] = useStored<Partial<Record<View, string>>>("rushes.models", {});
  const [route, go] = useRoute(root);
  /** What the stage shows where the address names no session: the newest one that there was, or the first to come. */
  const [home, setHome] = useState<string | null>(null);
  const [names, setNames] = useStored<Names>("rushes.names", {});
  /** What was done where nothing else shows it. */
  const [said, say] = useState<string | null>(null);
  const [helps, setHelps] = useState(false);
  const [clickedAt, setClickedAt] = useState<ReadonlyMap<string, number>>(new Map());
  /** Where forks that were asked for here go on, in seconds; null: only the server knows. */
  const [forkedAt, setForkedAt] = useState<ReadonlyMap<string, number | null>>(new Map());
  const promptBox = useRef<HTMLTextAreaElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const toStage = useRef(false);

  const report = useCallback((error: unknown) => {
    // That the server is gone is said at the top as long as it is so.
    if (error instanceof Unreachable) return;
    const told = error instanceof Error ? error.message : String(error);
    const code = error instanceof ServerError ? error.code : "";
    const remedy = code === "exhausted" ? t("remedy.exhausted") : code === "unavailable" ? t("remedy.unavailable") : code === "not_found" ? t("remedy.not_found") : code === "too_large" ? t("remedy.too_large") : "";
    dispatch({ type: "notice", text: remedy === "" ? told : `${told.replace(/\.?$/, ".")} ${remedy}` });
  }, [t]);

  const dismiss = useCallback(() => dispatch({ type: "notice", text: null }), []);

  const watched = useWatching(
    state.sessions.length === 0 || state.sessions.some(isReplaying), () => new Set(state.sessions.map(({ id }) => id)),
    (sessions, known) => dispatch({ type: "listed", sessions, known }), report,
  );
  const { line, returns } = watched;
  useEffect(() => {
    if (line === "here") api.models().then(setModels, report);
  }, [line, report]);

  const removal = useRemoval(async (id) => {
    try {
      await api.remove(id);
    } catch (error) {
      // Somebody else was faster.
      if (!(error instanceof ServerError && error.status === 404)) {
        report(error);
        throw error;
      }
    }
    forgetThumbnail(id);
    dispatch({ type: "removed", id });
  });

  const of = (view: View): api.ModelInfo | null => chosenFor(view, models ?? [], chosenModels[view]);
  const found: Record<View, api.ModelInfo | null> = { video: of("video"), talk: of("talk"), predict: of("predict") };
  const { video, talk, predict: predictor } = found;
  const predictors = modelsFor("predict", models ?? []);
  const views = VIEWS.filter((name) => found[name]);
  const first = firstView(models ?? []);
  const view: View = route.session !== null ? "video" : route.view !== null && (models === null || found[route.view]) ? route.view : first;
  const shown = found[view];
  // Predictions have a place of their own.
  const sessions = state.sessions.filter(({ model, id }) => !removal.going.has(id) && !predictors.some(({ name }) => name === model));

  const newest = sessions[0]?.id ?? null;
  if (newest !== null && !sessions.some(({ id }) => id === home)) setHome(newest);
  const chosen = route.session ?? home;
  const session = sessions.find(({ id }) => id === chosen) ?? null;

  const others = session === null ? [] : route.beside.flatMap((id) => sessions.find((each) => each.id === id) ?? []);
  const beside = others.map(({ id }) => id);

  const isReady = shown === null || shown.state === "loaded" || line !== "here";
  useEffect(() => {
    if (isReady) return;
    const again = setInterval(() => void api.models().then(setModels, () => undefined), LOOK_AGAIN_MS);
    return () => clearInterval(again);
  }, [isReady]);

  // An address that asks for what this server cannot do becomes one of what it can.
  useEffect(() => {
    if (models !== null && route.session === null && route.view !== null && (view !== route.view || view === first)) go(view === first ? {} : { view }, "replace");
  }, [models, route.session, route.view, view, first, go]);
  useEffect(() => { document.title = session && view === "video" ? `${names[session.id] ?? session.firstPrompt} – rushes` : "rushes"; }, [session, names, view]);

  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => say(null), SAY_MS);
    return () => clearTimeout(timer);
  }, [said]);

  // Where the stage is below the form, what was chosen is brought up, once it stands there.
  const shownId = session?.id;
  useEffect(() => {
    if (!toStage.current || shownId === undefined) return;
    toStage.current = false;
    const { top } = stage.current!.getBoundingClientRect();
    if (top < 0 || top > window.innerHeight / 3) stage.current!.scrollIntoView({ block: "start", behavior: isCalm() ? "auto" : "smooth" });
  }, [shownId]);

  const choose = (id: string): void => {
    go({ session: id });
    toStage.current = true;
  };
  const putBeside = (ids: string[]): void => go({ session: session?.id ?? null, beside: ids });
  const toggleBeside = (id: string): void => putBeside(beside.includes(id) ? beside.filter((each) => each !== id) : [...beside, id]);
  /** What was on the left gives its place to the next. */
  const leaveBeside = (id: string): void => {
    if (id !== session?.id) return toggleBeside(id);
    const [next, ...rest] = beside;
    if (next !== undefined) go({ session: next, beside: rest });
  };
  const generate = async (request: api.GenerationRequest, clicked: number): Promise<void> => {
    try {
      const made = await api.createSession({ ...request, ...(video && !video.isDefault && { model: video.name }) });
      setClickedAt((before) => new Map(before).set(made.id, clicked));
      dispatch({ type: "created", session: made });
      choose(made.id);
    } catch (error) {
      report(error);
    }
  };
  const fork = async (of: Session, how: ForkRequest, at: number | null): Promise<void> => {
    try {
      const made = await api.fork(of.id, how);
      setForkedAt((before) => new Map(before).set(made.id, at));
      dispatch({ type: "created", session: made });
      if (how.prompt !== undefined) dispatch({ type: "prompt_sent", id: made.id, prompt: how.prompt });
      choose(made.id);
    } catch (error) {
      report(error);
    }
  };
  const addressFor = ({ id }: Session): string => addressOf(root, { session: id });
  const copyLink = async (of: Session): Promise<void> => {
    const address = addressFor(of);
    say(await copy(address) ? t("link.copied") : t("link.notCopied", { address }));
  };
  const remove = (id: string): void => {
    removal.begin(id);
    if (id !== chosen) return;
    const next = neighbour(sessions, id);
    if (home === id) setHome(next);
    if (route.session === id) go(next === null ? { view: first === "video" ? null : "video" } : { session: next, beside: beside.filter((each) => each !== next) }, "replace");
  };

  return (
    <>
      <header className="masthead">
        <h1>rushes</h1>
        {shown && <ModelChoice model={shown} models={modelsFor(view, models ?? [])} onModel={(name) => chooseModel({ ...chosenModels, [view]: name })} />}
        {views.length > 1 && (
          <nav className="choice" aria-label={t("views.label")}>
            {views.map((value) => (
              <label key={value} className={value === view ? "on" : ""}>
                <input type="radio" name="view" checked={value === view} onChange={() => go(value === first ? {} : { view: value })} />
                {t(`views.${value}`)}
              </label>
            ))}
          </nav>
        )}
        <Preferences />
      </header>
      <main>
        <div className="notices" role="alert">
          {line === "gone" && <p className="notice">{t("line.gone")}</p>}
          {state.notice && (
            <div className="notice">
              <span>{state.notice}</span>
              <button type="button" className="quiet" onClick={dismiss} aria-label={t("dismiss")}>✕</button>
            </div>
          )}
        </div>
        {line === "locked" && <TokenForm wrong={hasToken()} onToken={(token) => { setToken(token); watched.again(); }} />}
        {line !== "locked" && view === "talk" && talk && <TalkView key={talk.name} model={talk} onError={report} />}
        {predictor && <PredictView model={predictor} isOne={predictors.length > 1} hidden={view !== "predict"} onError={report} onNext={dismiss} />}
        {line !== "locked" && view === "video" && (
          <div className="studio">
            <PromptForm model={video} draft={draft} onDraft={setDraft} picture={picture} onPicture={setPicture} box={promptBox} onGenerate={generate} onError={report} />
            <div ref={stage} className="stage-place">
              {session && others.length > 0 ? (
                <SideBySide
                  sessions={[session, ...others]} names={names} onChoose={choose} onLeave={leaveBeside} onEnd={() => putBeside([])} onHelp={() => setHelps(true)} onError={report}
                />
              ) : session ? (
                <Stage
                  key={session.id} session={session} mine={clickedAt.has(session.id) || forkedAt.has(session.id)} from={forkedAt.get(session.id) ?? null} returns={returns} reachable={line === "here"} promptBox={promptBox}
                  model={models?.find((model) => model.name === session.model) ?? null}
                  loops={models?.find((model) => model.name === session.model)?.options.has("loop") ?? false}
                  controls={models?.find((model) => model.name === session.model)?.controls ?? []}
                  onSet={(changed) => void api.setOptions(session.id, changed).catch(report)}
                  onEvent={(event) => dispatch({ type: "event", id: session.id, event })}
                  onLeave={() => dispatch({ type: "left", id: session.id })}
                  onAnew={() => dispatch({ type: "begun_anew", id: session.id })}
                  onFirstFrame={() => {
                    const clicked = clickedAt.get(session.id);
                    if (clicked !== undefined) dispatch({ type: "first_frame_shown", id: session.id, milliseconds: performance.now() - clicked });
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
                  onFork={(how, at) => void fork(session, how, at)}
                  onPace={(realTime) =>
                    void api.setPacing(session.id, realTime ? "realtime" : "asap").then(() => dispatch({ type: "paced", id: session.id, realTime }), report)}
                  onReuse={() => {
                    setDraft({ ...draft, prompt: session.firstPrompt, seed: session.seed });
                    promptBox.current?.focus();
                    promptBox.current?.scrollIntoView({ block: "center", behavior: isCalm() ? "auto" : "smooth" });
                  }}
                  onCopyLink={() => void copyLink(session)}
                  onBesideOrigin={sessions.some(({ id }) => id === session.forkedFrom) ? () => putBeside([session.forkedFrom!]) : null}
                  onRemove={() => remove(session.id)}
                  onHelp={() => setHelps(true)}
                  onError={report}
                />
              ) : (
                <p className="empty">{line === "asking" ? "" : route.session !== null && line === "here" ? t("stage.missing") : t("stage.empty")}</p>
              )}
              {session && <ForkTree sessions={sessions} names={names} chosen={session.id} onChoose={choose} />}
            </div>
            <Library
              sessions={sessions} names={names} chosen={session?.id ?? null} beside={beside} root={root} onChoose={choose} onBeside={toggleBeside}
              onRename={(of, name) => setNames(renamed(names, of, name))} onCopyLink={(of) => void copyLink(of)}
              onShare={(of) => void share(titleOf(of, names), addressFor(of)).catch(report)} onRemove={remove}
            />
          </div>
        )}
      </main>
      <footer><Places here="studio" /></footer>
      <div className="toasts" role="status">
        {said !== null && <p className="toast said-toast">{said}</p>}
        {removal.last !== null && (
          <p className="toast">{t("library.removed")} <button type="button" onClick={() => removal.undo(removal.last!)}>{t("library.undo")}</button></p>
        )}
      </div>
      {helps && <Shortcuts onClose={() => setHelps(false)} />}
    </>
  );
}
