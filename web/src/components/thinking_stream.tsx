// A prediction: what the model says, with a caret while it comes, and beside it the video. Each half has a state of its own.
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Film, type Half, type HalfState, type Prediction, failedHalves, measures } from "../predict/state";
import { ProgressiveVideo } from "./progressive_video";

interface Props {
  prediction: Prediction;
  onCancel: () => void;
  onRetry: (halves: Half[]) => void;
  /** The question goes back to the form, to be changed. */
  onReuse: () => void;
  onRemove: () => void;
  onFilmShown: () => void;
}

export function ThinkingStream({ prediction, onCancel, onRetry, onReuse, onRemove, onFilmShown }: Props) {
  const { t } = useTranslation();
  const { question, halves, words, film, running } = prediction;
  const failed = failedHalves(prediction);
  const retry = (half: Half): ReactNode =>
    running === null && failed.length === 1 && failed[0] === half && <button type="button" onClick={() => onRetry([half])}>{half === "text" ? t("predict.retryText") : t("predict.retryVideo")}</button>;
  const shared = failed.length > 1 && words.reason === film.reason;
  const nothing = running === null && words.text === "" && isEmpty(film);
  const thinking = words.state === "thinking";
  return (
    <article className="session prediction" aria-label={t("views.predict")}>
      <header className="asked">
        {question.pictures.map((picture, index) => (
          <img key={index} src={picture} alt={index + 1 === question.pictures.length ? t("predict.thePicture") : t("predict.picture", { number: index + 1 })} />
        ))}
        <p>{question.text || t("predict.noQuestion")}</p>
      </header>
      {prediction.warnings.map((warning) => <p key={warning} className="next">{t("stage.warning", { warning })}</p>)}
      {shared && <p className="failure" role="alert">{words.reason}</p>}
      {!(shared && nothing) && <div className={`halves ${halves.length === 1 ? "single" : ""}`}>
        {halves.includes("text") && (
          <section className="half" aria-label={t("predict.text")}>
            <HalfHeader half="text" state={words.state} />
            {words.text.trim() === "" && thinking && <p className="next">{t("predict.reading")}<span className="caret" aria-hidden /></p>}
            <p className="answer" aria-live="polite" aria-busy={thinking}>{words.text.trimStart()}{words.text.trim() !== "" && thinking && <span className="caret" aria-hidden />}</p>
            <Failure state={words.state} reason={shared ? "" : words.reason}>{retry("text")}</Failure>
          </section>
        )}
        {halves.includes("video") && (
          <section className="half" aria-label={t("predict.video")}>
            <HalfHeader half="video" state={film.state} />
            {!(film.state === "failed" && isEmpty(film)) && <ProgressiveVideo film={film} onShown={onFilmShown} />}
            <Failure state={film.state} reason={shared ? "" : film.reason}>{retry("video")}</Failure>
          </section>
        )}
      </div>}
      {!nothing && <dl className="measures">
        {measures(prediction).map(({ name, ms }) => <Measure key={name} name={t(`predict.${name}`)}>{ms}</Measure>)}
      </dl>}
      <div className="row">
        {running && <Cancel key={running.session} onCancel={onCancel} />}
        {running === null && failed.length > 1 && <button type="button" onClick={() => onRetry(failed)}>{t("predict.again")}</button>}
        <button type="button" className="quiet" onClick={onReuse} title={t("predict.editTitle")}>{t("predict.edit")}</button>
        {running === null && <button type="button" className="quiet" onClick={onRemove}>{t("predict.remove")}</button>}
        <span className="seed-used">{t("predict.seed", { seed: question.seed })}{question.preset !== "" && `, ${question.preset}`}</span>
      </div>
    </article>
  );
}

/** There is no picture of it, and none will come. */
const isEmpty = ({ state, frames, lastFrame }: Film): boolean => state !== "done" && frames.length === 0 && lastFrame === "";

function HalfHeader({ half, state }: { half: Half; state: HalfState }) {
  const { t } = useTranslation();
  return <h2>{t(`predict.${half}`)} <span className={`state ${state}`} role="status">{t(`predict.${state}`)}</span></h2>;
}

/** What is in work is completed first: that can take a moment. */
function Cancel({ onCancel }: { onCancel: () => void }) {
  const { t } = useTranslation();
  const [pressed, setPressed] = useState(false);
  return <button type="button" className="stop" disabled={pressed} onClick={() => { setPressed(true); onCancel(); }}>{pressed ? t("predict.cancelling") : t("predict.cancel")}</button>;
}

const Failure = ({ state, reason, children }: { state: HalfState; reason: string; children: ReactNode }) =>
  state === "failed" && reason !== "" && <div className="failed-half"><p className="failure" role="alert">{reason}</p>{children}</div>;

const Measure = ({ name, children }: { name: string; children: number | null }) => (
  <div>
    <dd>{children === null ? "–" : `${(children / 1000).toFixed(2)} s`}</dd>
    <dt>{name}</dt>
  </div>
);
