import { type PointerEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Block, type Session, fill, generatedFrames, generatedSeconds, plannedSeconds, promptAt, promptIndex, timeline } from "../state";
import { clock } from "../clock";
import { type Stills, secondsUnder } from "../stills";
import { TimelinePreview } from "./timeline_preview";

/** Colours of style.css that tell prompts apart. */
export const TONES = 5;
/** Above so many there is no room between them. */
const DENSE = 60;
/** Of studio.css: the width of the slider's mark. */
const MARK = 4;

interface Props {
  session: Session;
  playedSeconds: number;
  /** Without it the line is only looked at. */
  onSeek?: (seconds: number) => void;
  /** What was shown of it, for looks at other moments. */
  stills?: Stills;
}

/** One cell a block, as wide as it is long, in the colour of its prompt, filled as far as it is denoised. On it a slider,
 * whose mark is the frame on the screen; it goes as far as there is something to show. */
export function Timeline({ session, playedSeconds, onSeek, stills }: Props) {
  const { t } = useTranslation();
  /** Where the pointer is. */
  const [under, setUnder] = useState<{ seconds: number; place: number } | null>(null);
  /** The look costs a connection, so that it is there when somebody wants one. */
  const [wanted, setWanted] = useState(false);
  const blocks = timeline(session).flat();
  const first = (session.blocks.find((b) => b.complete)?.firstVideoFrame ?? 0) / session.format.fps;
  const complete = session.blocks.filter((b) => b.complete).length;
  const summary = t("timeline.summary", { blocks: complete, frames: generatedFrames(session) });
  const usual = usualFrames(session);
  const last = Math.max(plannedSeconds(session), first + 0.01);
  const point = ({ clientX, currentTarget }: PointerEvent): void => {
    const { left, width } = currentTarget.getBoundingClientRect();
    setWanted(true);
    setUnder({ seconds: secondsUnder(clientX - left, width, MARK, first, last), place: (clientX - left) / width });
  };
  return (
    <div className="timeline" {...(!onSeek && { role: "img", "aria-label": summary })}>
      <div className={`blocks ${blocks.length > DENSE ? "dense" : ""}`} aria-hidden={onSeek !== undefined}>
        {blocks.map((block) => (
          <div
            key={`${block.segment}/${block.block}`} style={{ flexGrow: block.complete ? block.videoFrames : usual }}
            className={`block tone-${promptIndex(session, toneOf(session, block)) % TONES} ${block.complete ? "complete" : block.step > 0 ? "begun" : ""}`}
          >
            <div className="fill" style={{ transform: `scaleX(${fill(block)})` }} />
          </div>
        ))}
      </div>
      {onSeek && (
        <input
          type="range" aria-label={t("timeline.label")} min={first} max={last} step={1 / session.format.fps}
          value={playedSeconds} aria-valuetext={t("timeline.at", { time: clock(playedSeconds), all: clock(plannedSeconds(session)), prompt: promptAt(session, playedSeconds) })}
          onChange={(event) => onSeek(Math.min(Number(event.target.value), generatedSeconds(session)))}
          onPointerMove={point} onPointerLeave={() => setUnder(null)} onPointerCancel={() => setUnder(null)} onKeyDown={(event) => { if (event.key === "Escape") setUnder(null); }}
        />
      )}
      {stills && wanted && <TimelinePreview session={session} stills={stills} seconds={under?.seconds ?? null} place={under?.place ?? 0} />}
    </div>
  );
}

/** What is being made is made under the newest prompt. */
const toneOf = (session: Session, block: Block): string => block.prompt || session.prompt;

/** Of a block that is still to come. */
const usualFrames = (session: Session): number => {
  const { videoFrames, segments, blocksPerSegment, blocksPerLaterSegment } = session.format;
  const made = session.blocks.findLast((b) => b.complete);
  const planned = blocksPerSegment + Math.max(0, segments - 1) * blocksPerLaterSegment;
  return made?.videoFrames ?? (videoFrames !== null && planned > 0 ? videoFrames / planned : 1);
};
