// A prediction: what the model says, with a caret while it comes, and beside it the video. Each half has a state of its own.
import type { ReactNode } from "react";
import { type Half, type HalfState, type Prediction, failedHalves } from "../predict/state";
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

const NAMES: Record<Half, string> = { text: "Text", video: "Video" };

export function ThinkingStream({ prediction, onCancel, onRetry, onReuse, onRemove, onFilmShown }: Props) {
  const { question, halves, words, film, running } = prediction;
  const failed = failedHalves(prediction);
  const retry = (half: Half): ReactNode =>
    running === null && failed.length === 1 && failed[0] === half && <button type="button" onClick={() => onRetry([half])}>Retry the {half}</button>;
  const thinking = words.state === "thinking";
  return (
    <article className="session prediction" aria-label="Prediction">
      <header className="asked">
        {question.pictures.map((picture, index) => (
          <img key={index} src={picture} alt={index + 1 === question.pictures.length ? "The picture" : `Picture ${index + 1}`} />
        ))}
        <p>{questionWords(question.text)}</p>
      </header>
      <div className={`halves ${halves.length === 1 ? "single" : ""}`}>
        {halves.includes("text") && (
          <section className="half" aria-label="Text">
            <HalfHeader half="text" state={words.state} />
            {words.text.trim() === "" && thinking && <p className="next">reading the picture<span className="caret" aria-hidden /></p>}
            <p className="answer" aria-live="polite" aria-busy={thinking}>{words.text.trimStart()}{words.text.trim() !== "" && thinking && <span className="caret" aria-hidden />}</p>
            <Failure state={words.state} reason={words.reason}>{retry("text")}</Failure>
          </section>
        )}
        {halves.includes("video") && (
          <section className="half" aria-label="Video">
            <HalfHeader half="video" state={film.state} />
            <ProgressiveVideo key={`${film.session} ${film.state === "thinking" ? running?.session : ""}`} film={film} onShown={onFilmShown} />
            <Failure state={film.state} reason={film.reason}>{retry("video")}</Failure>
          </section>
        )}
      </div>
      <dl className="measures">
        {halves.includes("text") && <Measure name="first word">{prediction.firstWordMs}</Measure>}
        {halves.includes("video") && <Measure name="first frame">{prediction.firstFrameMs}</Measure>}
        <Measure name="complete">{prediction.completeMs}</Measure>
      </dl>
      <div className="row">
        {running && <button type="button" className="stop" onClick={onCancel}>Cancel</button>}
        {running === null && failed.length > 1 && <button type="button" onClick={() => onRetry(failed)}>Try again</button>}
        <button type="button" className="quiet" onClick={onReuse}>Ask something else</button>
        {running === null && <button type="button" className="quiet" onClick={onRemove}>Remove</button>}
        <span className="seed-used">seed {question.seed}{question.preset !== "" && `, ${question.preset}`}</span>
      </div>
    </article>
  );
}

/** An empty question is one, too: the model has its own. */
export const questionWords = (text: string): string => (text === "" ? "What is there, and what will happen?" : text);

const HalfHeader = ({ half, state }: { half: Half; state: HalfState }) => (
  <h2>{NAMES[half]} <span className={`state ${state}`} role="status">{state}</span></h2>
);

const Failure = ({ state, reason, children }: { state: HalfState; reason: string; children: ReactNode }) =>
  state === "failed" && <div className="failed-half"><p className="failure">{reason}</p>{children}</div>;

const Measure = ({ name, children }: { name: string; children: number | null }) => (
  <div>
    <dd>{children === null ? "–" : `${(children / 1000).toFixed(2)} s`}</dd>
    <dt>{name}</dt>
  </div>
);
