import { type FormEvent, type ReactNode, useEffect, useEffectEvent, useRef, useState } from "react";
import { type Control, type OptionValues, followEvents, liveVideoUrl, videoUrl } from "../api";
import { play } from "../player";
import { type QueuePlace, type Session, type SessionEvent, firstBlockSeconds, generatedFrames, modelFps, blocksUpTo, hasEnded, promptAt, promptIndex } from "../state";
import { Controls } from "./controls";
import { TONES, Timeline } from "./timeline";

interface Props {
  session: Session;
  /** Whose frames these are wants them to be played again and again. */
  loops: boolean;
  /** What of its model's options may change while it runs. */
  controls: Control[];
  onSet: (changed: OptionValues) => void;
  onEvent: (event: SessionEvent) => void;
  onFirstFrame: () => void;
  onPrompt: (prompt: string) => void;
  onStop: () => void;
  onPause: () => void;
  onFork: (prompt: string, blocks: number | null) => void;
  onPace: (realTime: boolean) => void;
  onReuse: () => void;
  onRemove: () => void;
  onError: (error: unknown) => void;
}

export function SessionCard(props: Props) {
  const { session } = props;
  const video = useRef<HTMLVideoElement>(null);
  const [playedSeconds, setPlayedSeconds] = useState(0);
  const [waiting, setWaiting] = useState(true);
  const ended = hasEnded(session.state);
  // A session that had ended when the page found it shows its first picture, and plays when that is asked for.
  const [endedBefore] = useState(ended);
  const [done, setDone] = useState(endedBefore);
  const [played, setPlayed] = useState(false);
  const [wantsLoop, setLoop] = useState<boolean | null>(null);
  const loop = wantsLoop ?? props.loops;
  const [behind, setBehind] = useState(false);
  const [set, setSet] = useState<OptionValues>({});
  const onEvent = useEffectEvent(props.onEvent);
  const onFirstFrame = useEffectEvent(props.onFirstFrame);
  const onError = useEffectEvent(props.onError);

  // What ended before this page heard of the end stands still.
  useEffect(() => {
    if (loop && ended && done) void video.current!.play().catch(() => {});
  }, [loop, ended, done]);
  useEffect(() => followEvents(session.id, (event) => onEvent(event)), [session.id]);
  useEffect(() => {
    const element = video.current!;
    const follow = (): void => {
      setPlayedSeconds(element.currentTime);
      setBehind(secondsBehind(element) > BEHIND_S);
      handle = element.requestVideoFrameCallback(follow);
    };
    let handle = element.requestVideoFrameCallback(follow);
    const stop = endedBefore
      ? showFile(element, videoUrl(session.id))
      : play(element, { address: liveVideoUrl(session.id), mimeType: session.mimeType }, { onFirstFrame: () => onFirstFrame(), onError: (message) => onError(message) });
    return () => {
      element.cancelVideoFrameCallback(handle);
      stop();
    };
  }, [session.id, session.mimeType, endedBefore]);

  return (
    <article className={`session ${session.state}`}>
      <div className="screen" style={{ aspectRatio: `${session.format.width} / ${session.format.height}` }}>
        <video
          ref={video} autoPlay={!endedBefore} muted playsInline loop={loop && ended}
          onPlaying={() => { setWaiting(false); setDone(false); setPlayed(true); }}
          onWaiting={() => setWaiting(true)}
          onEnded={() => setDone(true)}
        />
        {waiting && !ended && <div className="veil">{generatedFrames(session) > 0 ? "waiting for the next block" : stateWords(session)}</div>}
        {done && (
          <button type="button" className="again" onClick={() => { video.current!.currentTime = 0; void video.current!.play(); }}>
            {played ? "Play again" : "Play"}
          </button>
        )}
        <span className="pill">{session.forkedFrom !== null ? `fork, ${session.state}` : session.state}</span>
      </div>
      <div className="details">
        <Timeline session={session} playedSeconds={playedSeconds} onSeek={(seconds) => seek(video.current!, seconds)} />
        <Prompts session={session} shown={promptAt(session, playedSeconds)} />
        {session.ignored.map(({ field, reason }) => (
          <p key={`${field} ${reason}`} className="next">without effect: {field} ({reason})</p>
        ))}
        {session.warnings.map((warning) => <p key={warning} className="next">note: {warning}</p>)}
        {session.text && <p className="said">{session.text}</p>}
        {session.state === "failed" && <p className="failure" role="alert">{session.reason}</p>}
        <Measures session={session} />
        {ended ? (
          <div className="row">
            <a className="button" href={videoUrl(session.id)} download={`rushes-${session.id.slice(0, 8)}.mp4`}>Download</a>
            <button type="button" aria-pressed={loop} onClick={() => setLoop(!loop)}>Loop</button>
            <button type="button" onClick={props.onReuse}>Use again</button>
            <button type="button" className="quiet" onClick={props.onRemove}>Delete</button>
          </div>
        ) : (
          <>
            <PromptSwitch
              onPrompt={props.onPrompt} behind={behind}
              onFork={(prompt) => props.onFork(prompt, behind ? blocksUpTo(session, playedSeconds) : null)}
            />
            <Controls controls={props.controls} set={set} onSet={(changed) => { setSet((before) => ({ ...before, ...changed })); props.onSet(changed); }} />
            <div className="row">
              <button type="button" onClick={props.onPause}>{session.state === "paused" ? "Resume" : "Pause"}</button>
              <button type="button" className="stop" onClick={props.onStop}>Stop</button>
              <button
                type="button" aria-pressed={session.realTime} title="Generate only as fast as the video plays, so that a new prompt shows at once"
                onClick={() => props.onPace(!session.realTime)}
              >
                Real time
              </button>
              {behind && <button type="button" onClick={() => seek(video.current!, Infinity)}>Go to newest</button>}
            </div>
          </>
        )}
      </div>
    </article>
  );
}

/** Seconds between what is shown and the newest picture from which on a way there is offered. */
const BEHIND_S = 4;

const secondsBehind = (video: HTMLVideoElement): number =>
  video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) - video.currentTime : 0;

/** As near as there is something to show: of a live video, what this page has received and kept. */
function seek(video: HTMLVideoElement, seconds: number): void {
  const ranges = video.seekable.length > 0 && Number.isFinite(video.duration) ? video.seekable : video.buffered;
  if (ranges.length === 0) return;
  // Not the very end: there playback would wait for the next block before it shows anything.
  const newest = ranges.end(ranges.length - 1) - 0.25;
  video.currentTime = Math.max(ranges.start(0), Math.min(newest, seconds));
  if (Number.isFinite(seconds) || video.paused) void video.play();
}

/** Loads no more than the first picture before somebody wants to see the rest. */
function showFile(video: HTMLVideoElement, address: string): () => void {
  video.preload = "metadata";
  video.src = address;
  return () => {
    video.removeAttribute("src");
    video.load();
  };
}

/** The prompt of the frame on the screen, and those that are on their way to it. */
function Prompts({ session, shown }: { session: Session; shown: string }) {
  const tone = (prompt: string): string => `dot tone-${promptIndex(session, prompt) % TONES}`;
  return (
    <div className="prompts">
      <p className="now"><i className={tone(shown)} />{shown}</p>
      {session.prompt !== shown && <p className="next"><i className={tone(session.prompt)} />generating: {session.prompt}</p>}
      {session.pendingPrompt && <p className="next">from the next block: {session.pendingPrompt}</p>}
    </div>
  );
}

const queueWords = ({ position, waitSeconds }: QueuePlace): string =>
  `number ${position} in the queue` + (waitSeconds === null ? "" : `, about ${Math.ceil(waitSeconds)} s`);

const stateWords = (session: Session): string =>
  session.state === "queued" ? (session.queue ? queueWords(session.queue) : "waiting for its turn") : session.state === "paused" ? "paused" : "generating the first block";

function PromptSwitch({ onPrompt, onFork, behind }: { onPrompt: (prompt: string) => void; onFork: (prompt: string) => void; behind: boolean }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    onPrompt(text.trim());
    setText("");
  };
  return (
    <form className="switch" onSubmit={submit}>
      <input aria-label="New prompt" placeholder="New prompt from the next block on" value={text} maxLength={10_000} onChange={(event) => setText(event.target.value)} />
      <button type="submit" disabled={text.trim() === ""}>Switch</button>
      <button
        type="button"
        title={`Continues from ${behind ? "the block that is shown" : "the newest block"} as a second video, with the new prompt or the current one`}
        onClick={() => { onFork(text.trim()); setText(""); }}
      >
        {behind ? "Fork here" : "Fork"}
      </button>
    </form>
  );
}

function Measures({ session }: { session: Session }) {
  const first = session.firstFrameShownMs !== null ? session.firstFrameShownMs / 1000 : firstBlockSeconds(session);
  const fps = modelFps(session);
  const { format } = session;
  return (
    <dl className="measures">
      <Measure name={session.firstFrameShownMs !== null ? "first frame on screen" : "first block"}>{first === null ? "–" : `${first.toFixed(2)} s`}</Measure>
      <Measure name={`model speed, plays at ${format.fps}`}>{fps === null ? "–" : `${fps.toFixed(1)} fps`}</Measure>
      <Measure name={format.videoFrames === null ? "frames" : `of ${format.videoFrames} frames`}>{generatedFrames(session)}</Measure>
    </dl>
  );
}

const Measure = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dd>{children}</dd>
    <dt>{name}</dt>
  </div>
);
