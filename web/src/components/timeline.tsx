import { useTranslation } from "react-i18next";
import { type Block, type Session, fill, generatedFrames, generatedSeconds, plannedSeconds, promptAt, promptIndex, timeline } from "../state";
import { clock } from "../clock";

/** Colours of style.css that tell prompts apart. */
export const TONES = 5;
/** Above so many there is no room between them. */
const DENSE = 60;

interface Props {
  session: Session;
  playedSeconds: number;
  /** Without it the line is only looked at. */
  onSeek?: (seconds: number) => void;
}

/** One cell a block, as wide as it is long, in the colour of its prompt, filled as far as it is denoised. On it a slider,
 * whose mark is the frame on the screen; it goes as far as there is something to show. */
export function Timeline({ session, playedSeconds, onSeek }: Props) {
  const { t } = useTranslation();
  const blocks = timeline(session).flat();
  const first = (session.blocks.find((b) => b.complete)?.firstVideoFrame ?? 0) / session.format.fps;
  const complete = session.blocks.filter((b) => b.complete).length;
  const summary = t("timeline.summary", { blocks: complete, frames: generatedFrames(session) });
  const usual = usualFrames(session);
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
          type="range" aria-label={t("timeline.label")} min={first} max={Math.max(plannedSeconds(session), first + 0.01)} step={1 / session.format.fps}
          value={playedSeconds} aria-valuetext={t("timeline.at", { time: clock(playedSeconds), all: clock(plannedSeconds(session)), prompt: promptAt(session, playedSeconds) })}
          title={summary} onChange={(event) => onSeek(Math.min(Number(event.target.value), generatedSeconds(session)))}
        />
      )}
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
