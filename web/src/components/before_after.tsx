// The first frame of a film over its last one, and a line between them that can be moved: by hand, by touch, by arrow keys.
import { useState } from "react";

/** So that the last frame is shown, not what would come after it. */
const BEFORE_THE_END_S = 0.01;

export function BeforeAfter({ address }: { address: string }) {
  const [percent, setPercent] = useState(50);
  return (
    <div className="before-after">
      <video
        src={address} muted playsInline preload="auto" tabIndex={-1} aria-hidden
        onLoadedMetadata={(event) => { event.currentTarget.currentTime = Math.max(0, event.currentTarget.duration - BEFORE_THE_END_S); }}
      />
      <video src={address} muted playsInline preload="auto" tabIndex={-1} aria-hidden style={{ clipPath: `inset(0 ${100 - percent}% 0 0)` }} />
      <i className="divider" style={{ left: `${percent}%` }} />
      <span className="pill before">before</span>
      <span className="pill">after</span>
      <input
        type="range" min={0} max={100} value={percent} aria-label="How much is shown of the picture before; the rest is the last frame"
        aria-valuetext={`${percent} percent before`} onChange={(event) => setPercent(Number(event.target.value))}
      />
    </div>
  );
}
