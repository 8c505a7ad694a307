import type { PointerEvent } from "react";
import { type Block, type Session, fill, generatedFrames, promptIndex, timeline } from "../state";

/** Colours of style.css that tell prompts apart. */
export const TONES = 5;

interface Props {
  session: Session;
  playedSeconds: number;
  onSeek: (seconds: number) => void;
}

/** One cell a block, filled as far as the block is denoised; the mark shows the frame on the screen. A click on what
 * exists, or a stroke over it, goes there. */
export function Timeline({ session, playedSeconds, onSeek }: Props) {
  const seek = (block: Block, event: PointerEvent<HTMLElement>): void => {
    if (!block.complete || event.buttons !== 1) return;
    const cell = event.currentTarget.getBoundingClientRect();
    const part = Math.min(0.999, Math.max(0, (event.clientX - cell.left) / cell.width));
    onSeek((block.firstVideoFrame + part * block.videoFrames) / session.format.fps);
  };
  const playedFrame = playedSeconds * session.format.fps;
  const rows = timeline(session);
  const complete = session.blocks.filter((b) => b.complete).length;
  return (
    <div className="timeline" role="img" aria-label={`${complete} blocks, ${generatedFrames(session)} frames generated`}>
      {rows.map((row) => (
        <div key={row[0]?.segment} className="segment" title={`segment ${(row[0]?.segment ?? 0) + 1}`}>
          {row.map((block) => {
            const inBlock = block.complete && playedFrame >= block.firstVideoFrame && playedFrame < block.firstVideoFrame + block.videoFrames;
            return (
              <div
                key={block.block} className={`block tone-${promptIndex(session, block.prompt) % TONES} ${block.complete ? "complete" : ""}`}
                onPointerDown={(event) => { event.currentTarget.releasePointerCapture(event.pointerId); seek(block, event); }}
                onPointerMove={(event) => seek(block, event)}
              >
                <div className="fill" style={{ transform: `scaleX(${fill(block)})` }} />
                {inBlock && <div className="mark" style={{ left: `${(100 * (playedFrame - block.firstVideoFrame)) / block.videoFrames}%` }} />}
              </div>
            );
          })}
        </div>
      ))}
    </div>
  );
}
