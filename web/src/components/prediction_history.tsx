// The questions of before, newest first: a small picture, what was asked, and what became of it.
import { type Prediction, stateWords } from "../predict/state";
import { questionWords } from "./thinking_stream";

interface Props {
  predictions: Prediction[];
  selected: string | null;
  onSelect: (id: string) => void;
  onClear: () => void;
}

export function PredictionHistory({ predictions, selected, onSelect, onClear }: Props) {
  return (
    <section className="history" aria-label="History">
      <header>
        <h2>History</h2>
        <button type="button" className="quiet" onClick={onClear}>Clear</button>
      </header>
      <ul>
        {predictions.map((prediction) => {
          const { id, question, words, film, askedAt } = prediction;
          return (
            <li key={id}>
              <button type="button" aria-current={id === selected} onClick={() => onSelect(id)}>
                <img src={film.lastFrame || question.pictures.at(-1)} alt="" />
                <span>
                  <b>{questionWords(question.text)}</b>
                  <span className="answered">{words.text.trim() || words.reason}</span>
                  <small>{time(askedAt)} · {stateWords(prediction)}</small>
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const time = (ms: number): string => {
  const date = new Date(ms);
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], today ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" });
};
