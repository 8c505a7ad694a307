// The video of a prediction as it comes: its first frame as a still, looks at what it may become, its frames, then the film.
import { useEffect, useState } from "react";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import * as api from "../api";
import { isCalm } from "../motion";
import { type Film, filmProgress } from "../predict/state";
import { BeforeAfter } from "./before_after";

/** At which frames are shown until the film is there. */
const FRAMES_PER_SECOND = 15;

interface Props {
  film: Film;
  /** The film is on the screen: what came before it is needed no more. */
  onShown: () => void;
}

export function ProgressiveVideo({ film, onShown }: Props) {
  const { t } = useTranslation();
  const [loaded, setLoaded] = useState<string>();
  const [missing, setMissing] = useState<string>();
  const [compared, setCompared] = useState(false);
  const [aspect, setAspect] = useState<string>();
  const frame = useFrameInTurn(film.frames.length);
  const playing = film.frames.length > 1;
  const still = playing ? film.frames[frame]! : (film.preview ?? film.frames[0] ?? null);
  const file = film.state === "done" && film.session !== null ? api.predictionVideoUrl(film.session) : null;
  const gone = file !== null && file === missing;
  const address = gone ? null : file;
  const progress = filmProgress(film);
  const shown = address !== null && address === loaded;
  return (
    <>
      <div className="screen prediction-screen" style={{ aspectRatio: aspect }} data-shows={shown ? "film" : playing ? "frames" : film.preview ? "preview" : still ? "still" : "nothing"}>
        {address !== null && (
          <video
            key={address} src={address} controls loop muted playsInline autoPlay={!isCalm()} className={shown ? "" : "coming"} aria-label={t("predict.theVideo")}
            onLoadedMetadata={(event) => setAspect(`${event.currentTarget.videoWidth} / ${event.currentTarget.videoHeight}`)}
            onLoadedData={() => { setLoaded(address); onShown(); }} onError={() => setMissing(address)}
          />
        )}
        {still !== null && !shown && (
          <img src={still} alt={playing ? t("predict.theVideo") : t("form.thePicture")} onLoad={(event) => setAspect(`${event.currentTarget.naturalWidth} / ${event.currentTarget.naturalHeight}`)} />
        )}
        {still === null && !shown && film.lastFrame !== "" && <img className="faint" src={film.lastFrame} alt={t("predict.lastFrame")} />}
        {shown && compared && <BeforeAfter address={address} />}
        {!shown && <div className="veil">{gone ? t("predict.goneVideo") : stillWords(t, film, frame)}</div>}
        {film.state === "thinking" && (
          <div className="bar" role="progressbar" aria-label={t("predict.video")} aria-valuemin={0} aria-valuemax={100} {...(progress !== null && { "aria-valuenow": Math.round(100 * progress) })}>
            <i className={progress === null ? "unknown" : ""} style={progress === null ? {} : { transform: `scaleX(${progress})` }} />
          </div>
        )}
      </div>
      {shown && (
        <div className="row">
          <button type="button" className="quiet" aria-pressed={compared} onClick={() => setCompared(!compared)}>{t("predict.beforeAfter")}</button>
          <a className="button" href={address} download="prediction.mp4">{t("download")}</a>
        </div>
      )}
    </>
  );
}

function stillWords(t: TFunction, { state, frames, totalFrames, preview, step, steps }: Film, frame: number): string {
  if (state === "failed") return t("predict.notCompleted");
  if (frames.length > 1) return t("predict.frameOf", { frame: frame + 1, all: totalFrames });
  const what = preview !== null ? t("predict.look") : frames.length === 1 ? t("predict.firstStill") : null;
  if (what === null) return t("talk.firstFrame");
  return steps > 0 ? t("predict.atStep", { what, step, steps }) : what;
}

/** Index of the frame that is shown: they are shown at their rate, however fast they come; the newest one stays. */
function useFrameInTurn(count: number): number {
  const [frame, setFrame] = useState(0);
  const last = Math.max(0, count - 1);
  if (count === 0 && frame > 0) setFrame(0);  // it is made again
  const waiting = count > 1 && frame < last;
  useEffect(() => {
    if (!waiting || isCalm()) return;
    const timer = window.setInterval(() => setFrame((before) => Math.min(before + 1, last)), 1000 / FRAMES_PER_SECOND);
    return () => window.clearInterval(timer);
  }, [waiting, last]);
  return Math.min(frame, last);
}
