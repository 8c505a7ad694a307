// The questions of before, newest first: a small picture, what was asked, and what became of it.
import { useTranslation } from "react-i18next";
import { type Prediction, stateWords } from "../predict/state";

interface Props {
  predictions: Prediction[];
  selected: string | null;
  onSelect: (id: string) => void;
  onClear: () => void;
}

export function PredictionHistory({ predictions, selected, onSelect, onClear }: Props) {
  const { t } = useTranslation();
  return (
    <section className="history" aria-label={t("predict.history")}>
      <header>
        <h2>{t("predict.history")}</h2>
        <button type="button" className="quiet" onClick={onClear}>{t("predict.clear")}</button>
      </header>
      <ul>
        {predictions.map((prediction) => {
          const { id, question, words, film, askedAt } = prediction;
          return (
            <li key={id}>
              <button type="button" aria-current={id === selected} onClick={() => onSelect(id)}>
                <img src={film.lastFrame || question.pictures.at(-1)} alt="" />
                <span>
                  <b>{question.text || t("predict.noQuestion")}</b>
                  <span className="answered">{words.text.trim() || words.reason}</span>
                  <small>{time(askedAt)} · {stateWords(prediction, (what) => t(`predict.${what}`))}</small>
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
