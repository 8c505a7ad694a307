import { type DragEvent, type FormEvent, type RefObject, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { GenerationRequest, ModelInfo, Pacing } from "../api";
import { dataUrl } from "../files";
import { type Size, sizeWords } from "../sizes";
import { KnownWords } from "./known_words";
import { SizeChoice } from "./size_choice";

// Within what the shipped model has learnt, so that the first click shows something good. It knows English only.
const EXAMPLES = [
  "a red circle moves right on a blue background",
  "a big yellow star spins on a black background",
  "on a teal ground, a small white ring bounces",
];

const LENGTHS = [[1, "short"], [3, "medium"], [10, "long"], [0, "endless"]] as const;
const PACES: Pacing[] = ["realtime", "asap"];

/** What the form holds beside the picture. It is remembered: words and choices survive tabs and reloads. */
export interface Draft {
  prompt: string;
  /** Empty: another one each time. */
  seed: string;
  /** 0: endless. */
  segments: number;
  pacing: Pacing;
  /** "832x480"; empty: as the model has it. */
  size: string;
}

export const firstDraft: Draft = { prompt: EXAMPLES[0]!, seed: "", segments: 3, pacing: "realtime", size: "" };

interface Props {
  model: ModelInfo | null;
  draft: Draft;
  onDraft: (draft: Draft) => void;
  /** The first frame, as `data:` address. */
  picture: string | null;
  onPicture: (picture: string | null) => void;
  box: RefObject<HTMLTextAreaElement | null>;
  /** `clicked`: when, as performance.now() counts. */
  onGenerate: (request: GenerationRequest, clicked: number) => Promise<void>;
  onError: (error: unknown) => void;
}

export function PromptForm({ model, draft, onDraft, picture, onPicture, box, onGenerate, onError }: Props) {
  const { t } = useTranslation();
  const chooser = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const change = (changed: Partial<Draft>): void => onDraft({ ...draft, ...changed });
  const sizes = model?.trainedFor?.sizes ?? [];
  const size: Size | null = sizes.find((each) => sizeWords(each) === draft.size) ?? null;
  const empty = draft.prompt.trim() === "";
  const loads = busy && model !== null && model.state !== "loaded";

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (empty || busy) return;
    setBusy(true);
    await onGenerate({
      prompt: draft.prompt.trim(),
      segments: draft.segments,
      seed: draft.seed || String(Math.floor(Math.random() * 1e6)),
      pacing: draft.pacing,
      ...(picture !== null && { image: picture }),
      ...size,
    }, event.timeStamp);
    setBusy(false);
  };

  const choosePicture = (file: File | undefined): void => {
    if (file) dataUrl(file).then(onPicture, onError);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    choosePicture(event.dataTransfer.files[0]);
  };

  return (
    <form className="prompt" onSubmit={(event) => void submit(event)} onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <label htmlFor="prompt">{t("form.label")}</label>
      <textarea
        id="prompt" ref={box} rows={2} value={draft.prompt} title={t("form.semicolons")} maxLength={10_000} placeholder={EXAMPLES[0]}
        onChange={(event) => change({ prompt: event.target.value })}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }
        }}
      />
      <div className="examples">
        {EXAMPLES.map((example) => (
          <button key={example} type="button" className="chip" lang="en" onClick={() => change({ prompt: example })}>{example}</button>
        ))}
      </div>
      <KnownWords model={model} text={draft.prompt} onText={(prompt) => change({ prompt })} />
      <div className="row">
        <fieldset className="choice">
          <legend className="hidden">{t("form.length")}</legend>
          {LENGTHS.map(([segments, name]) => (
            <label key={name} className={segments === draft.segments ? "on" : ""}>
              <input type="radio" name="length" checked={segments === draft.segments} onChange={() => change({ segments })} />
              {t(`length.${name}`)}
            </label>
          ))}
        </fieldset>
        <fieldset className="choice">
          <legend className="hidden">{t("form.pace")}</legend>
          {PACES.map((pacing) => (
            <label key={pacing} className={pacing === draft.pacing ? "on" : ""} title={t(`pace.${pacing}Title`)}>
              <input type="radio" name="pace" checked={pacing === draft.pacing} onChange={() => change({ pacing })} />
              {t(`pace.${pacing}`)}
            </label>
          ))}
        </fieldset>
        <SizeChoice sizes={sizes} chosen={size} onSize={(next) => change({ size: next === null ? "" : sizeWords(next) })} />
        <label className="seed">
          {t("form.seed")}
          <input inputMode="numeric" pattern="[0-9]{0,20}" title={t("form.seedTitle")} placeholder={t("form.random")} value={draft.seed} onChange={(event) => change({ seed: event.target.value })} />
        </label>
        <div className="start">
          <input
            ref={chooser} hidden type="file" accept="image/png,image/jpeg,image/webp" aria-label={t("form.picture")}
            onChange={(event) => { choosePicture(event.target.files?.[0]); event.target.value = ""; }}
          />
          {picture === null ? (
            <button type="button" className="quiet" onClick={() => chooser.current!.click()}>{t("form.fromPicture")}</button>
          ) : (
            <button type="button" className="quiet" onClick={() => onPicture(null)}><img src={picture} alt={t("form.thePicture")} title={t("form.pictureFit")} />{t("form.withoutPicture")}</button>
          )}
        </div>
        <button type="submit" className="primary" disabled={empty || busy}>{t("form.generate")}</button>
      </div>
      <p className="next" role="status">{loads && t("form.loads", { model: model.name })}</p>
    </form>
  );
}
