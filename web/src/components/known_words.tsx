// Under a prompt: its words that the model does not know, and those that it knows as chips that build a sentence.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { ModelInfo } from "../api";
import { unknownIn, withWords } from "../known_words";

interface Props {
  model: ModelInfo | null;
  text: string;
  onText: (text: string) => void;
}

export function KnownWords({ model, text, onText }: Props) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const [missed, setMissed] = useState(false);
  const known = model?.words ?? [];
  const unknown = unknownIn(known, text);
  // The first unknown word opens the list; after that it is as whoever types left it.
  if (missed !== unknown.length > 0) {
    setMissed(!missed);
    if (!missed) setOpen(true);
  }
  if (model === null || known.length === 0) return null;
  return (
    <div className="vocabulary">
      <p className="next" role="status">
        {unknown.length > 0 && t("vocabulary.unknown", { model: model.name, words: unknown.map((word) => t("vocabulary.quoted", { word })).join(t("vocabulary.between")) })}
      </p>
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{t("vocabulary.known", { model: model.name })}</summary>
        <div className="examples" role="group" aria-label={t("vocabulary.known", { model: model.name })}>
          {known.map((words) => <button key={words} type="button" className="chip" lang="en" onClick={() => onText(withWords(text, words))}>{words}</button>)}
        </div>
      </details>
    </div>
  );
}
