// A question about pictures. They stay for the next question: all are shown to a model that can see several, and the last one begins the video.
import { type FormEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type * as api from "../api";
import { offeredPresets, trainedWords } from "../sizes";
import { type ChosenPicture, MAX_PICTURES } from "../predict/pictures";
import { KnownWords } from "./known_words";

/** What the form holds beside the pictures; it is remembered. */
export interface Draft {
  text: string;
  preset: string;
  /** Empty: another one each time. */
  seed: string;
  /** Looks at the video while it is made. */
  previews: boolean;
}

interface Props {
  model: api.ModelInfo;
  draft: Draft;
  onDraft: (changed: Partial<Draft>) => void;
  pictures: ChosenPicture[];
  /** Why some of the newest choice are not among them: sentences. */
  unread: string[];
  onFiles: (files: Iterable<File>) => void;
  onExample: (example: api.Example) => void;
  onForget: (index: number) => void;
  onAsk: () => void;
}

const QUESTIONS = ["What will happen?", "What is in the picture?", "Describe the picture."];

export function QuestionForm({ model, draft, onDraft, pictures, unread, onFiles, onExample, onForget, onAsk }: Props) {
  const { t } = useTranslation();
  const chooser = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (pictures.length > 0) onAsk();
  };
  const full = pictures.length >= MAX_PICTURES;
  const presets = offeredPresets(model.presets, model.trainedFor);
  const trained = model.trainedFor === null ? "" : trainedWords(model.trainedFor);
  return (
    <form
      className={`prompt ask ${over ? "over" : ""}`} onSubmit={submit}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)}
      onDrop={(event) => { event.preventDefault(); setOver(false); onFiles(event.dataTransfer.files); }}
    >
      <div className="pictures" role="group" aria-label={t("predict.pictures")}>
        {pictures.map((picture, index) => (
          <figure key={picture.small + index} className={index + 1 === pictures.length ? "newest" : ""}>
            <img src={picture.small} alt={picture.name || t("predict.picture", { number: index + 1 })} />
            <button type="button" aria-label={t("predict.removePicture", { name: picture.name || index + 1 })} onClick={() => onForget(index)}>✕</button>
          </figure>
        ))}
        <input
          ref={chooser} hidden type="file" multiple accept="image/*" aria-label={t("predict.files")}
          onChange={(event) => { onFiles([...event.target.files ?? []]); event.target.value = ""; }}
        />
        <button type="button" className={pictures.length === 0 ? "drop" : ""} disabled={full} onClick={() => chooser.current!.click()}>
          {pictures.length === 0 ? <><b>{t("predict.choose")}</b><small>{t("predict.orDrop")}</small></> : t("predict.add")}
        </button>
        {pictures.length === 0 && model.portraits.map((example) => (
          <button key={example.name} type="button" className="portrait" aria-label={t("predict.example", { name: example.name })} onClick={() => onExample(example)}><img src={example.url} alt="" /></button>
        ))}
      </div>
      {unread.length > 0 && <p className="failure" role="alert">{unread.join(" ")}</p>}
      {pictures.length > 1 && model.readsOnePicture && <p className="next">{t("predict.lastOnly")}</p>}
      {pictures.length > 1 && !model.readsOnePicture && <p className="next">{t("predict.allShown", { number: pictures.length })}{model.makesVideo && ` ${t("predict.videoBegins")}`}</p>}
      <label htmlFor="question">{t("predict.question")}</label>
      <textarea
        id="question" rows={1} value={draft.text} maxLength={8000} placeholder={QUESTIONS[0]}
        onChange={(event) => onDraft({ text: event.target.value })}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }
        }}
      />
      <div className="examples">
        {QUESTIONS.map((question) => <button key={question} type="button" className="chip" lang="en" onClick={() => onDraft({ text: question })}>{question}</button>)}
      </div>
      <KnownWords model={model} text={draft.text} onText={(text) => onDraft({ text })} />
      <div className="row">
        {model.makesVideo && model.presets.length > 0 && (
          <fieldset className="choice" title={t("predict.sizeTitle")}>
            <legend className="hidden">{t("size.label")}</legend>
            {[{ name: "", beyond: false }, ...presets].map(({ name, beyond }) => (
              <label key={name} className={`${name === draft.preset ? "on" : ""} ${beyond ? "beyond" : ""}`} {...(beyond && { title: t("predict.trained", { trained }) })}>
                <input type="radio" name="preset" checked={name === draft.preset} onChange={() => onDraft({ preset: name })} />
                {name === "" ? t("predict.standard") : name}{beyond && <span className="hidden">{t("predict.notTrained")}</span>}
              </label>
            ))}
          </fieldset>
        )}
        <label className="seed">
          {t("form.seed")}
          <input inputMode="numeric" pattern="[0-9]{0,15}" title={t("predict.seedTitle")} placeholder={t("form.random")} value={draft.seed} onChange={(event) => onDraft({ seed: event.target.value })} />
        </label>
        {model.makesVideo && model.options.has("previews") && (
          <label className="check" title={t("predict.previewsTitle")}>
            <input type="checkbox" checked={draft.previews} onChange={(event) => onDraft({ previews: event.target.checked })} />
            {t("predict.previews")}
          </label>
        )}
        <button type="submit" className="primary" disabled={pictures.length === 0}>{t("predict.ask")}</button>
      </div>
      {model.makesVideo && presets.some(({ name, beyond }) => beyond && name === draft.preset) && (
        <p className="next" role="status">{t("predict.poor", { trained, preset: draft.preset })}</p>
      )}
    </form>
  );
}
