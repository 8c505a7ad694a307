// What was measured of a session, and how large its pictures are.
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { type Session, firstBlockSeconds, generatedFrames, modelFps } from "../state";

export function Measures({ session }: { session: Session }) {
  const { t } = useTranslation();
  const first = session.firstFrameShownMs !== null ? session.firstFrameShownMs / 1000 : firstBlockSeconds(session);
  const made = modelFps(session);
  const { fps, videoFrames, width, height } = session.format;
  return (
    <dl className="measures">
      <Measure name={session.firstFrameShownMs !== null ? t("measure.firstFrame") : t("measure.firstBlock")}>{first === null ? "–" : `${first.toFixed(2)} s`}</Measure>
      <Measure name={t("measure.speed", { fps })}>{made === null ? "–" : t("measure.fps", { fps: made.toFixed(1) })}</Measure>
      <Measure name={videoFrames === null ? t("measure.frames") : t("measure.ofFrames", { frames: videoFrames })}>{generatedFrames(session)}</Measure>
      <Measure name={t("measure.size")}>{width}×{height}</Measure>
    </dl>
  );
}

const Measure = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dd>{children}</dd>
    <dt>{name}</dt>
  </div>
);
