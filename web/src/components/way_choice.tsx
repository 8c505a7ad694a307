// By which way the stage gets its video while it is made, and what was measured of it.
import { useTranslation } from "react-i18next";
import { WAYS, type Measured, type Way } from "../ways";

export type Wish = Way | "auto";

/** Why it is not the way that was wished for. */
export interface Left {
  why: "unsupported" | "refused" | "unconnected" | "lost" | "moved";
  words: string;
}

interface Props {
  wish: Wish;
  way: Way;
  measured: Measured | null;
  left: Left | null;
  onWish: (wish: Wish) => void;
}

export function WayChoice({ wish, way, measured, left, onWish }: Props) {
  const { t } = useTranslation();
  return (
    <div className="way">
      <label className="next">
        {t("way.label")}{" "}
        <select className="small" value={wish} title={t("way.title")} onChange={(event) => onWish(event.target.value as Wish)}>
          <option value="auto">{t("way.auto", { way: t(`way.${way}`) })}</option>
          {WAYS.map((each) => <option key={each} value={each}>{t(`way.${each}`)}</option>)}
        </select>
      </label>
      {measured && (
        <span className="next measured">
          {t(way === "webrtc" ? "way.behindAbout" : "way.behind", { seconds: measured.behind.toFixed(1) })}
          {measured.fps !== null && ` · ${t("way.fps", { fps: measured.fps.toFixed(0) })}`}
        </span>
      )}
      {left && <p className="next" role="status">{left.words === "" ? t(`way.left.${left.why}`) : t("way.left.words", { words: left.words })}</p>}
    </div>
  );
}
