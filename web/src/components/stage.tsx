// The chosen session, large: its video as it is made, how it is played, its time line, and what steers it.
import { type RefObject, useEffect, useEffectEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Control, type ModelInfo, type OptionValues, followEvents, liveVideoUrl, videoUrl } from "../api";
import { type ForkRequest, isReplaying } from "../continuing";
import { type KeyAction, keyAction } from "../keys";
import { isCalm } from "../motion";
import { play } from "../player";
import { type Session, type SessionEvent, generatedFrames, generatedSeconds, hasEnded, plannedSeconds, promptAt } from "../state";
import { Stills, drawn } from "../stills";
import { kept, read, useStored } from "../stored";
import { FrameRate, type Known, LivePlace, type Measured, type Way, clockOf, faster } from "../ways";
import { watchNow } from "../whep";
import { Continuing } from "./continuing";
import { Controls } from "./controls";
import { Measures } from "./measures";
import { type Sound, StageBar } from "./stage_bar";
import { Steering } from "./steering";
import { Timeline } from "./timeline";
import { type Left, WayChoice, type Wish } from "./way_choice";

interface Props {
  session: Session;
  /** Its model; null: the server has it no more. */
  model: ModelInfo | null;
  /** This tab asked for it: it plays although less motion is wished for. */
  mine: boolean;
  /** A fork that this tab asked for is of interest from here on, in seconds; null: nobody said. */
  from: number | null;
  /** Whose frames these are wants them to be played again and again. */
  loops: boolean;
  /** What of its model's options may change while it runs. */
  controls: Control[];
  /** How often the server came back: then everything is connected anew. */
  returns: number;
  /** The server answers. */
  reachable: boolean;
  /** "/" goes there where the stage has no box. */
  promptBox: RefObject<HTMLTextAreaElement | null>;
  onSet: (changed: OptionValues) => void;
  onEvent: (event: SessionEvent) => void;
  onAnew: () => void;
  onLeave: () => void;
  onFirstFrame: () => void;
  onPrompt: (prompt: string) => void;
  onStop: () => void;
  onPause: () => void;
  onFork: (how: ForkRequest, at: number | null) => void;
  onPace: (realTime: boolean) => void;
  onReuse: () => void;
  onCopyLink: () => void;
  /** Of a fork whose origin is still there. */
  onBesideOrigin: (() => void) | null;
  onRemove: () => void;
  onHelp: () => void;
  onError: (error: unknown) => void;
}

/** Pictures smaller than this are enlarged pixel by pixel: smoothed, their edges would be fog. */
export const SMALL = 320;
/** Seconds between what is shown and the newest picture from which on a way there is offered. */
const BEHIND_S = 4;
/** What is made in real time is this much ahead. */
const LEAD_S = 2;
/** Of what was there before a fork, to be seen where it goes on. */
const RUN_UP_S = 1;
/** Between two measurements of how far behind the newest picture what is shown is. */
const MEASURE_MS = 1000;
const KNOWN = "rushes.way.known";
/** After which a lost video is asked for again, if the server is there: longer than it takes to see that it is not. */
const RECONNECT_MS = 4000;

export function Stage(props: Props) {
  const { session, returns } = props;
  const { t } = useTranslation();
  const video = useRef<HTMLVideoElement>(null);
  const theatre = useRef<HTMLDivElement>(null);
  const steer = useRef<HTMLInputElement>(null);
  const [stills] = useState(() => new Stills());
  const ended = hasEnded(session.state);
  // A session that had ended when the page found it shows its first picture, and plays when that is asked for.
  const [file, setFile] = useState<{ from: number } | null>(ended ? { from: 0 } : null);
  const [playedSeconds, setPlayedSeconds] = useState(0);
  const [waiting, setWaiting] = useState(true);
  const [paused, setPaused] = useState(true);
  const [done, setDone] = useState(false);
  const [behind, setBehind] = useState(false);
  const [full, setFull] = useState(false);
  const [speed, setSpeed] = useState(1);
  const [sound, setSound] = useStored<Sound>("rushes.sound", { volume: 1, muted: false });
  const [blocked, setBlocked] = useState(false);
  const [wantsLoop, setLoop] = useState<boolean | null>(null);
  const loop = wantsLoop ?? props.loops;
  const [set, setSet] = useState<OptionValues>({});
  // What ended while the server was gone is a file now.
  const [seenReturns, setSeenReturns] = useState(returns);
  const [lost, setLost] = useState(false);
  const [again, setAgain] = useState(0);
  const [wish, setWish] = useStored<Wish>("rushes.way", "auto");
  /** What *auto* means is found out once: the video does not change its way by itself, but where it fails. */
  const [found] = useState(() => faster(read<Known>(kept, KNOWN, {}), session.realTime && props.from === null));
  const wanted = wish === "auto" ? found : wish;
  const [way, setWay] = useState<Way>(isReplaying(session) ? "mse" : wanted);
  const [left, setLeft] = useState<Left | null>(null);
  const [measured, setMeasured] = useState<Measured | null>(null);
  /** Where MSE goes on after WebRTC, and whether it plays there. */
  const [resume, setResume] = useState<{ at: number; plays: boolean } | null>(null);
  const connection = returns + again;
  if (returns !== seenReturns) {
    setSeenReturns(returns);
    setLost(false);
    if (ended && file === null) setFile({ from: playedSeconds });
  }
  const { hasSound, fps, width, height } = session.format;
  const muted = !hasSound || sound.muted || blocked;
  const onEvent = useEffectEvent(props.onEvent);
  const onFirstFrame = useEffectEvent(props.onFirstFrame);
  const onAnew = useEffectEvent(props.onAnew);
  const onLeave = useEffectEvent(props.onLeave);

  // What ended before this page heard of the end stands still, but for what its program shows again and again.
  const replays = ended && (done ? loop : props.loops && file !== null);
  useEffect(() => {
    if (replays) void video.current!.play().catch(() => {});
  }, [replays]);
  useEffect(() => {
    if (returns > 0) onAnew();
    const leave = followEvents(session.id, (event) => onEvent(event));
    return () => { leave(); onLeave(); };
  }, [session.id, returns]);

  // ---- the picture ----
  const playsAtOnce = useEffectEvent(() => resume?.plays ?? (props.mine || !isCalm()));
  const fail = useEffectEvent((message: string, isLost: boolean) => {
    if (!isLost) return props.onError(new Error(message));
    // The file has what there is of a session that has ended.
    if (ended) setFile({ from: playedSeconds });
    else setLost(true);
  });
  const waitsForLine = lost && props.reachable && !ended;
  useEffect(() => {
    if (!waitsForLine) return;
    const timer = window.setTimeout(() => { setLost(false); setAgain((before) => before + 1); }, RECONNECT_MS);
    return () => window.clearTimeout(timer);
  }, [waitsForLine]);
  const isFile = file !== null;
  /** A place that was chosen before the file had an address, which makes the browser forget it. */
  const early = useRef(0);
  const go = (next: Way, why: Left | null = null, from: typeof resume = null): void => {
    setWay(next);
    setLeft(why);
    setResume(from);
    setMeasured(null);
  };
  const endOfWebRtc = useEffectEvent((why: Left) => {
    if (ended) setFile({ from: Math.max(0.001, playedSeconds) });
    else go("mse", why);
  });
  /** A picture is on the screen. */
  const note = useEffectEvent((element: HTMLVideoElement, by: { place: LivePlace; rate: FrameRate; told: number }, now: number, metadata: VideoFrameCallbackMetadata) => {
    const live = way === "webrtc" && !isFile;
    const at = live ? by.place.of(session, clockOf(metadata)) : element.currentTime;
    setPlayedSeconds(at);
    setBehind(!live && secondsBehind(element) > BEHIND_S);
    if (isFile) return;
    stills.note(at, () => drawn(element));
    const fps = by.rate.note(now / 1000, metadata.presentedFrames);
    if (ended || now - by.told < MEASURE_MS) return;
    by.told = now;
    const seconds = Math.max(0, generatedSeconds(session) - at);
    setMeasured({ behind: seconds, fps });
    // Nobody who went back asked for what is newest.
    if (resume === null && seconds < BEHIND_S) remember(way, seconds);
  });
  const begin = useEffectEvent(() => {
    if (connection > 0) return playedSeconds;
    if (resume !== null) return resume.at;
    if (props.from !== null) return Math.max(0, props.from - RUN_UP_S);
    // Who comes late to what is made in real time wants to see, and steer, what is made now.
    const made = session.madeFrames / fps;
    return session.realTime && made > BEHIND_S ? made - LEAD_S : 0;
  });
  useEffect(() => {
    const element = video.current!;
    const by = { place: new LivePlace(), rate: new FrameRate(), told: 0 };
    const follow = (now: number, metadata: VideoFrameCallbackMetadata): void => {
      note(element, by, now, metadata);
      handle = element.requestVideoFrameCallback(follow);
    };
    let handle = element.requestVideoFrameCallback(follow);
    const stop = isFile
      ? showFile(element, videoUrl(session.id), early.current)
      : way === "webrtc" ? watchNow(element, session.id, hasSound, { onFirstFrame: () => onFirstFrame(), onEnd: (end) => endOfWebRtc(end) })
      : play(element, { address: liveVideoUrl(session.id), mimeType: session.mimeType }, { onFirstFrame: () => onFirstFrame(), onError: (message, isLost) => fail(message, isLost) }, { from: begin() });
    if (!isFile && playsAtOnce())
      void element.play().catch((error: unknown) => { if (error instanceof DOMException && error.name === "NotAllowedError") setBlocked(true); });
    return () => {
      element.cancelVideoFrameCallback(handle);
      stop();
    };
  }, [session.id, session.mimeType, isFile, connection, stills, way, hasSound]);
  useEffect(() => {
    if (file === null || file.from === 0) return;
    const element = video.current!;
    const begin = (): void => { element.currentTime = file.from; void element.play(); };
    element.addEventListener("loadedmetadata", begin, { once: true });
    return () => element.removeEventListener("loadedmetadata", begin);
  }, [file]);
  // A page that nobody has touched may play without sound only.
  useEffect(() => { if (blocked) void video.current!.play().catch(() => undefined); }, [blocked]);
  useEffect(() => { video.current!.playbackRate = speed; video.current!.defaultPlaybackRate = speed; }, [speed, isFile]);
  useEffect(() => { video.current!.volume = sound.volume; }, [sound.volume]);
  useEffect(() => {
    const note = (): void => setFull(document.fullscreenElement === theatre.current);
    document.addEventListener("fullscreenchange", note);
    return () => document.removeEventListener("fullscreenchange", note);
  }, []);

  // ---- what buttons and keys do ----
  /** WebRTC has nothing but what is made now. */
  const leaveNow = (seconds: number, plays: boolean): void => {
    const at = Math.max(0, Math.min(seconds, generatedSeconds(session) - 1 / fps));
    setPlayedSeconds(at);
    if (ended) setFile({ from: Math.max(0.001, at) });
    else go("mse", { why: "moved", words: "" }, { at, plays });
  };
  const toNewest = (): void => {
    if (wanted === "webrtc" && left?.why === "moved" && !ended) go("webrtc");
    else seek(Infinity);
  };
  const seek = (seconds: number): void => {
    const element = video.current!;
    if (way === "webrtc" && !isFile) {
      if (seconds === Infinity) return;
      return leaveNow(seconds, !paused);
    }
    // The player keeps the newest minutes; the file has everything.
    if (ended && !isFile && element.buffered.length > 0 && seconds < element.buffered.start(0) - 0.1) return setFile({ from: Math.max(0.001, seconds) });
    // Before anything of a file is known this is where it will begin (HTML: default playback start position).
    if (isFile && element.readyState === HTMLMediaElement.HAVE_NOTHING) element.currentTime = early.current = Number.isFinite(seconds) ? seconds : 0;
    else seekTo(element, seconds, fps);
    setPlayedSeconds(element.currentTime);
  };
  const toggle = (): void => {
    const element = video.current!;
    setBlocked(false);
    if (!element.paused && !element.ended) return way === "webrtc" && !isFile ? leaveNow(playedSeconds, false) : element.pause();
    if (done && ended) seek(0);
    void element.play().catch(() => undefined);
  };
  const fullScreen = (): void => void (document.fullscreenElement ? document.exitFullscreen() : theatre.current!.requestFullscreen()).catch(() => undefined);
  const playedAt = (): number => (way === "webrtc" && !isFile ? playedSeconds : video.current!.currentTime);
  const act = useEffectEvent((action: KeyAction) => {
    const element = video.current!;
    switch (action.type) {
      case "toggle": return toggle();
      case "skip": return seek(playedAt() + action.seconds);
      case "step": element.pause(); return seek(playedAt() + action.frames / fps);
      case "go": return action.to === "start" ? seek(0) : toNewest();
      case "mute": return setSound({ ...sound, muted: !sound.muted });
      case "full_screen": return fullScreen();
      case "to_prompt": return typeInto(steer.current ?? props.promptBox.current);
      case "help": return props.onHelp();
    }
  });
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const action = event.defaultPrevented || document.querySelector("dialog[open]") ? null : keyAction(event);
      if (!action) return;
      event.preventDefault();
      act(action);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);

  const shown = promptAt(session, playedSeconds);
  const overdue = ended && done;
  return (
    <article className={`session stage-session ${session.state}`} aria-label={t("stage.label")}>
      <div ref={theatre} className="theatre">
        <div className={`screen ${Math.max(width, height) <= SMALL ? "small-pictures" : ""}`} style={{ aspectRatio: `${width} / ${height}` }} onClick={toggle}>
          <video
            ref={video} muted={muted} playsInline loop={loop && ended}
            onPlaying={() => { setWaiting(false); setDone(false); }} onWaiting={() => setWaiting(true)} onPlay={() => setPaused(false)} onPause={() => setPaused(true)}
            onSeeked={() => setPlayedSeconds(playedAt())} onEnded={() => { setDone(true); if (Number.isFinite(video.current!.duration)) setPlayedSeconds(video.current!.duration); }}
          />
          {isReplaying(session) && <div className="veil"><Waiting session={session} /></div>}
          {!ended && !isReplaying(session) && waiting && (!paused || generatedFrames(session) === 0) && <div className="veil">{generatedFrames(session) > 0 ? t("stage.nextBlock") : <Waiting session={session} />}</div>}
          {(paused || overdue) && generatedFrames(session) > 0 && <svg className="start-mark" viewBox="0 0 24 24" aria-hidden><path d="M8 5l12 7-12 7z" /></svg>}
          <span className="pill">{session.forkedFrom !== null ? t("stage.fork", { state: t(`state.${session.state}`) }) : t(`state.${session.state}`)}</span>
        </div>
        <Timeline session={session} playedSeconds={playedSeconds} onSeek={seek} stills={stills} />
        <StageBar
          start={overdue ? "again" : paused ? "play" : null} seconds={playedSeconds} allSeconds={plannedSeconds(session)} endless={session.format.videoFrames === null && !ended}
          sound={hasSound ? { ...sound, muted } : null} speed={speed} loop={loop} canLoop={ended} full={full} behind={!ended && (behind || (wanted === "webrtc" && left?.why === "moved"))}
          onToggle={toggle} onSound={(next) => { setBlocked(false); setSound(next); }} onSpeed={(next) => { if (way === "webrtc" && !isFile && next !== 1) leaveNow(playedSeconds, !paused); setSpeed(next); }} onLoop={() => setLoop(!loop)} onFull={fullScreen}
          onNewest={toNewest} onHelp={props.onHelp}
        />
      </div>
      <div className="details">
        {ended ? <Continuing session={session} model={props.model} shown={shown} playedSeconds={playedSeconds} box={steer} onFork={props.onFork} /> : (
          <Steering session={session} model={props.model} shown={shown} playedSeconds={playedSeconds} behind={behind} box={steer} onPrompt={props.onPrompt} onFork={props.onFork} />
        )}
        {session.ignored.map(({ field, reason }) => <p key={`${field} ${reason}`} className="next">{t("stage.ignored", { field, reason })}</p>)}
        {session.warnings.map((warning) => <p key={warning} className="next">{t("stage.warning", { warning })}</p>)}
        {session.text && <p className="said">{session.text}</p>}
        {session.state === "failed" && <p className="failure" role="alert">{session.reason || t("stage.failed")}</p>}
        {!ended && <Controls controls={props.controls} set={set} onSet={(changed) => { setSet((before) => ({ ...before, ...changed })); props.onSet(changed); }} />}
        <Measures session={session} />
        {!ended && <WayChoice wish={wish} way={way} measured={measured} left={left} onWish={(next) => { setWish(next); go(next === "auto" ? found : next); }} />}
        <div className="row">
          {ended ? (
            <>
              <a className="button" href={videoUrl(session.id)} download={fileName(session)}>{t("download")}</a>
              <button type="button" onClick={props.onReuse}>{t("stage.reuse")}</button>
            </>
          ) : (
            <>
              <button type="button" onClick={props.onPause}>{session.state === "paused" ? t("stage.resumeMaking") : t("stage.pauseMaking")}</button>
              <button type="button" className="stop" onClick={props.onStop}>{t("stage.stop")}</button>
              <button type="button" aria-pressed={session.realTime} title={t("stage.realTimeTitle")} onClick={() => props.onPace(!session.realTime)}>{t("pace.realtime")}</button>
            </>
          )}
          {props.onBesideOrigin && <button type="button" className="quiet" onClick={props.onBesideOrigin}>{t("beside.origin")}</button>}
          <button type="button" className="quiet" onClick={props.onCopyLink}>{t("link.copy")}</button>
          <button type="button" className="quiet" onClick={props.onRemove}>{t("delete")}</button>
        </div>
      </div>
      <p className="hidden" role="status">{t("stage.status", { state: t(`state.${session.state}`), prompt: session.prompt })}</p>
    </article>
  );
}

export const fileName = (session: Session): string => `rushes-${session.id.slice(0, 8)}.mp4`;

/** Behind what stands there. */
function typeInto(box: HTMLInputElement | HTMLTextAreaElement | null): void {
  box?.focus();
  box?.setSelectionRange(box.value.length, box.value.length);
}

const secondsBehind = (video: HTMLVideoElement): number =>
  video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) - video.currentTime : 0;

/** For the next time that *auto* is asked. */
const remember = (way: Way, behind: number): void => {
  try {
    kept.setItem(KNOWN, JSON.stringify({ ...read<Known>(kept, KNOWN, {}), [way]: behind }));
  } catch {
    // Full: the next session measures again.
  }
};

/** As near as there is something to show: of a live video, what this page has received and kept. */
function seekTo(video: HTMLVideoElement, seconds: number, fps: number): void {
  const ranges = video.seekable.length > 0 && Number.isFinite(video.duration) ? video.seekable : video.buffered;
  if (ranges.length === 0) return;
  // Not the very end: there playback would wait for the next block before it shows anything.
  const newest = ranges.end(ranges.length - 1) - (Number.isFinite(seconds) ? 1 / fps : 0.25);
  video.currentTime = Math.max(ranges.start(0), Math.min(newest, seconds));
  if (seconds === Infinity) void video.play();
}

/** Loads no more than the first picture before somebody wants to see the rest. */
function showFile(video: HTMLVideoElement, address: string, at: number): () => void {
  video.preload = "metadata";
  video.src = address;
  if (at > 0) video.currentTime = at;
  return () => {
    video.removeAttribute("src");
    video.load();
  };
}

/** Why there is no picture yet. */
export function Waiting({ session }: { session: Session }) {
  const { t } = useTranslation();
  const { state, queue } = session;
  if (state === "paused") return t("state.paused");
  if (state !== "queued") return isReplaying(session) ? t("goOn.replaying", { at: session.replayedBlocks + 1, all: session.replayBlocks }) : t("stage.firstBlock");
  if (!queue) return t("queue.turn");
  const { position, waitSeconds } = queue;
  return waitSeconds === null ? t("queue.place", { position }) : t("queue.placeAndWait", { position, seconds: Math.ceil(waitSeconds) });
}
