// Two to four sessions on the stage at once, played in step under one bar.
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { liveVideoUrl, videoUrl } from "../api";
import { clock } from "../clock";
import { type KeyAction, keyAction } from "../keys";
import { type Names, titleOf } from "../library";
import { play } from "../player";
import { type Session, hasEnded } from "../state";
import { inStep } from "../step";
import { SMALL } from "./stage";
import { StageBar } from "./stage_bar";

/** How often it is seen to that they are in step. */
const LOOK_MS = 100;

interface Props {
  sessions: Session[];
  names: Names;
  /** Alone on the stage. */
  onChoose: (id: string) => void;
  onLeave: (id: string) => void;
  onEnd: () => void;
  onHelp: () => void;
  onError: (error: unknown) => void;
}

export function SideBySide({ sessions, names, onChoose, onLeave, onEnd, onHelp, onError }: Props) {
  const { t } = useTranslation();
  const theatre = useRef<HTMLDivElement>(null);
  const videos = useRef(new Map<string, HTMLVideoElement>());
  const [seconds, setSeconds] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [done, setDone] = useState(false);
  const [speed, setSpeed] = useState(1);
  const [loop, setLoop] = useState(false);
  const [full, setFull] = useState(false);
  const longest = Math.max(...sessions.map(({ madeFrames, format }) => madeFrames / format.fps));
  const { fps } = sessions[0]!.format;

  const seek = (to: number): void => {
    const at = Math.min(Math.max(0, to), Math.max(0, longest - 1 / fps));
    for (const video of videos.current.values()) video.currentTime = Math.min(at, latest(video));
    setSeconds(at);
    setDone(false);
  };
  const toggle = (): void => {
    if (done) seek(0);
    setPlaying(!playing || done);
  };
  const look = useEffectEvent(() => {
    const all = sessions.flatMap((session) => {
      const video = videos.current.get(session.id);
      return video ? [{ video, over: hasEnded(session.state) && isOver(video) }] : [];
    });
    if (all.length === 0) return;
    setSeconds(Math.max(...all.map(({ video }) => video.currentTime)));
    if (playing && all.every(({ over }) => over)) {
      if (loop) return seek(0);
      setPlaying(false);
      return setDone(true);
    }
    const corrections = inStep(all.map(({ video, over }) => ({ seconds: video.currentTime, ready: video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA, over })));
    all.forEach(({ video, over }, i) => {
      const { rate, hold, seekTo } = corrections[i]!;
      if (video.playbackRate !== speed * rate) video.playbackRate = speed * rate;
      if (seekTo !== null && !video.seeking) video.currentTime = seekTo;
      if (!playing || hold) video.pause();
      else if (video.paused && !over) void video.play().catch(() => undefined);
    });
  });
  useEffect(() => {
    const timer = setInterval(() => look(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);

  const fullScreen = (): void => void (document.fullscreenElement ? document.exitFullscreen() : theatre.current!.requestFullscreen()).catch(() => undefined);
  useEffect(() => {
    const note = (): void => setFull(document.fullscreenElement === theatre.current);
    document.addEventListener("fullscreenchange", note);
    return () => document.removeEventListener("fullscreenchange", note);
  }, []);
  const act = useEffectEvent((action: KeyAction) => {
    switch (action.type) {
      case "toggle": return toggle();
      case "skip": return seek(seconds + action.seconds);
      case "step": setPlaying(false); return seek(seconds + action.frames / fps);
      case "go": return seek(action.to === "start" ? 0 : longest);
      case "full_screen": return fullScreen();
      case "help": return onHelp();
    }
  });
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const action = event.defaultPrevented || document.querySelector("dialog[open]") ? null : keyAction(event);
      if (!action || action.type === "mute" || action.type === "to_prompt") return;
      event.preventDefault();
      act(action);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);

  return (
    <article className="session stage-session" aria-label={t("beside.label")}>
      <div ref={theatre} className="theatre">
        <ul className={`beside beside-${sessions.length}`}>
          {sessions.map((session) => {
            const title = titleOf(session, names) || t("library.unnamed");
            return (
              <li key={session.id}>
                <Picture session={session} onVideo={(video) => { if (video) videos.current.set(session.id, video); else videos.current.delete(session.id); }} onClick={toggle} onError={onError} />
                <div className="beside-words">
                  <button type="button" className="quiet" title={t("beside.alone")} onClick={() => onChoose(session.id)}>{title}</button>
                  <small className="muted">{t("beside.seed", { seed: session.seed })}</small>
                  <button type="button" className="icon" aria-label={t("beside.leave", { prompt: title })} title={t("beside.leaveTitle")} onClick={() => onLeave(session.id)}>
                    <svg viewBox="0 0 24 24" aria-hidden><path d="M6 6l12 12M18 6L6 18" className="stroke" /></svg>
                  </button>
                </div>
              </li>
            );
          })}
        </ul>
        <div className="timeline">
          <div className="blocks" aria-hidden><div className="block complete"><div className="fill" style={{ transform: `scaleX(${longest > 0 ? Math.min(1, seconds / longest) : 0})` }} /></div></div>
          <input
            type="range" aria-label={t("timeline.label")} min={0} max={Math.max(longest, 0.01)} step={1 / fps} value={Math.min(seconds, longest)}
            aria-valuetext={t("beside.at", { time: clock(seconds), all: clock(longest) })} onChange={(event) => seek(Number(event.target.value))}
          />
        </div>
        <StageBar
          start={done ? "again" : playing ? null : "play"} seconds={seconds} allSeconds={longest} endless={false} sound={null} speed={speed} loop={loop} canLoop full={full}
          behind={false} onToggle={toggle} onSound={() => undefined} onSpeed={setSpeed} onLoop={() => setLoop(!loop)} onFull={fullScreen} onNewest={() => undefined} onHelp={onHelp}
        />
      </div>
      <div className="details"><div className="row"><button type="button" onClick={onEnd}>{t("beside.end")}</button></div></div>
    </article>
  );
}

interface PictureProps {
  session: Session;
  /** null: it is gone. */
  onVideo: (video: HTMLVideoElement | null) => void;
  onClick: () => void;
  onError: (error: unknown) => void;
}

/** A session's video; what moves it is above. */
function Picture({ session: { id, state, mimeType, format: { width, height } }, onVideo, onClick, onError }: PictureProps) {
  const { t } = useTranslation();
  const video = useRef<HTMLVideoElement>(null);
  // One that ends while it is shown goes on as it came.
  const [isFile] = useState(hasEnded(state));
  const tell = useEffectEvent(onVideo);
  const fail = useEffectEvent(onError);
  useEffect(() => {
    const element = video.current!;
    tell(element);
    if (!isFile) {
      const stop = play(element, { address: liveVideoUrl(id), mimeType }, { onError: (message, lost) => { if (!lost) fail(new Error(message)); } });
      return () => { tell(null); stop(); };
    }
    element.src = videoUrl(id);
    return () => { tell(null); element.removeAttribute("src"); element.load(); };
  }, [id, isFile, mimeType]);
  return (
    <div className={`screen ${Math.max(width, height) <= SMALL ? "small-pictures" : ""}`} style={{ aspectRatio: `${width} / ${height}` }} onClick={onClick}>
      <video ref={video} muted playsInline preload="auto" />
      <span className="pill">{t(`state.${state}`)}</span>
    </div>
  );
}

/** The last moment that there is something to show of. */
const latest = (video: HTMLVideoElement): number => {
  const ranges = video.seekable.length > 0 && Number.isFinite(video.duration) ? video.seekable : video.buffered;
  return ranges.length > 0 ? Math.max(0, ranges.end(ranges.length - 1) - 0.01) : 0;
};

const isOver = (video: HTMLVideoElement): boolean => video.ended || (Number.isFinite(video.duration) && video.currentTime >= video.duration - 0.02);
