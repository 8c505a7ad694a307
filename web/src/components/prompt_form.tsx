import { type DragEvent, type FormEvent, useRef, useState } from "react";
import type { GenerationRequest } from "../api";
import { dataUrl } from "../files";
import type { Size } from "../sizes";
import { SizeChoice } from "./size_choice";

// Within what the shipped model has learnt, so that the first click shows something good.
const EXAMPLES = [
  "a red circle moves right on a blue background",
  "a big yellow star spins on a black background",
  "on a teal ground, a small white ring bounces",
];

const LENGTHS = [
  { segments: 1, label: "Short" },
  { segments: 3, label: "Medium" },
  { segments: 10, label: "Long" },
  { segments: 0, label: "Endless" },
];

// An endless video is steered while it is watched: what is far ahead could no longer be changed.
const ENDLESS_LEAD_S = 3;

/** What the form begins with: the words and the seed of an earlier video, to be changed and made again. */
export interface Draft {
  prompt: string;
  seed: string;
}

export const firstDraft: Draft = { prompt: EXAMPLES[0]!, seed: "" };

interface Props {
  draft: Draft;
  /** That the model was trained for; empty: nobody can tell. */
  sizes: Size[];
  /** `clicked`: when, as performance.now() counts. */
  onGenerate: (request: GenerationRequest, clicked: number) => Promise<void>;
  onError: (error: unknown) => void;
}

export function PromptForm({ draft, sizes, onGenerate, onError }: Props) {
  const [prompt, setPrompt] = useState(draft.prompt);
  const [segments, setSegments] = useState(3);
  const [seed, setSeed] = useState(draft.seed);
  const [picture, setPicture] = useState<string | null>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const [size, setSize] = useState<Size | null>(null);
  const [busy, setBusy] = useState(false);
  const empty = prompt.trim() === "";

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (empty || busy) return;
    setBusy(true);
    const number = Number.parseInt(seed, 10);
    await onGenerate({
      prompt: prompt.trim(),
      segments,
      seed: Number.isNaN(number) ? Math.floor(Math.random() * 1e6) : number,
      ...(segments === 0 && { max_lead: ENDLESS_LEAD_S }),
      ...(picture !== null && { image: picture }),
      ...(size !== null && sizes.some(({ width, height }) => width === size.width && height === size.height) && size),
    }, event.timeStamp);
    setBusy(false);
  };

  const choosePicture = (file: File | undefined): void => {
    if (file) dataUrl(file).then(setPicture, onError);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    choosePicture(event.dataTransfer.files[0]);
  };

  return (
    <form className="prompt" onSubmit={(event) => void submit(event)} onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <label htmlFor="prompt">What should the video show?</label>
      <textarea
        id="prompt" rows={1} value={prompt} title="Prompts between semicolons apply in turn, one per segment; \; is a semicolon in a prompt" maxLength={10_000} placeholder={EXAMPLES[0]}
        onChange={(event) => setPrompt(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }
        }}
      />
      <div className="examples">
        {EXAMPLES.map((example) => (
          <button key={example} type="button" className="chip" onClick={() => setPrompt(example)}>{example}</button>
        ))}
      </div>
      <div className="row">
        <fieldset className="choice">
          <legend className="hidden">Length</legend>
          {LENGTHS.map(({ segments: value, label }) => (
            <label key={label} className={value === segments ? "on" : ""}>
              <input type="radio" name="length" checked={value === segments} onChange={() => setSegments(value)} />
              {label}
            </label>
          ))}
        </fieldset>
        <SizeChoice sizes={sizes} chosen={size} onSize={setSize} />
        <label className="seed">
          Seed
          <input inputMode="numeric" pattern="[0-9]{0,15}" title="A number of at most 15 digits" placeholder="random" value={seed} onChange={(event) => setSeed(event.target.value)} />
        </label>
        <div className="start">
          <input
            ref={chooser} hidden type="file" accept="image/png,image/jpeg,image/webp" aria-label="First frame"
            onChange={(event) => { choosePicture(event.target.files?.[0]); event.target.value = ""; }}
          />
          {picture === null ? (
            <button type="button" className="quiet" onClick={() => chooser.current!.click()}>Start from an image</button>
          ) : (
            <button type="button" className="quiet" onClick={() => setPicture(null)}><img src={picture} alt="The first frame" title="Its middle fills the frame" />Without the image</button>
          )}
        </div>
        <button type="submit" className="primary" disabled={empty || busy}>Generate</button>
      </div>
    </form>
  );
}
