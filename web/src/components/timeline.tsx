import { type Session, fill, generatedFrames, promptIndex, timeline } from "../state";

/** Colours of style.css that tell prompts apart. */
export const TONES = 5;

/** One cell a block, filled as far as the block is denoised; the mark shows the frame on the screen. */
export function Timeline({ session, playedSeconds }: { session: Session; playedSeconds: number }) {
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
              <div key={block.block} className={`block tone-${promptIndex(session, block.prompt) % TONES} ${block.complete ? "complete" : ""}`}>
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
