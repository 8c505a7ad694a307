// The first frame of a film over its last one, and a line between them that can be moved: by hand, by touch, by arrow keys.
import { useState } from "react";
import { useTranslation } from "react-i18next";

/** So that the last frame is shown, not what would come after it. */
const BEFORE_THE_END_S = 0.01;

export function BeforeAfter({ address }: { address: string }) {
  const { t } = useTranslation();
  const [percent, setPercent] = useState(50);
  return (
    <div className="before-after">
      <video
        src={address} muted playsInline preload="auto" tabIndex={-1} aria-hidden
        onLoadedMetadata={(event) => { event.currentTarget.currentTime = Math.max(0, event.currentTarget.duration - BEFORE_THE_END_S); }}
      />
      <video src={address} muted playsInline preload="auto" tabIndex={-1} aria-hidden style={{ clipPath: `inset(0 ${100 - percent}% 0 0)` }} />
      <i className="divider" style={{ left: `${percent}%` }} />
      <span className="pill before">{t("predict.before")}</span>
      <span className="pill">{t("predict.after")}</span>
      <input
        type="range" min={0} max={100} value={percent} aria-label={t("predict.divider")}
        aria-valuetext={t("predict.percent", { percent })} onChange={(event) => setPercent(Number(event.target.value))}
      />
    </div>
  );
}
