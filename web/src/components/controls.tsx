// What of a model's options may change while a session runs, as sliders, choices and switches. Made from the model's own
// list: no model is known here.
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Control, OptionValue, OptionValues } from "../api";

/** A slider that is dragged tells each place; the server hears of the newest as often as a frame is made. */
const TELL_EVERY_MS = 40;

interface Props {
  controls: Control[];
  /** What was set; the others have their model's value. */
  set: OptionValues;
  onSet: (changed: OptionValues) => void;
}

export function Controls({ controls, set, onSet }: Props) {
  const { t } = useTranslation();
  const waiting = useRef<OptionValues>({});
  const timer = useRef(0);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const change = (name: string, value: OptionValue): void => {
    waiting.current = { ...waiting.current, [name]: value };
    if (timer.current) return;
    timer.current = window.setTimeout(() => {
      timer.current = 0;
      const changed = waiting.current;
      waiting.current = {};
      onSet(changed);
    }, TELL_EVERY_MS);
  };
  if (controls.length === 0) return null;
  return (
    <div className="controls" role="group" aria-label={t("controls.label")}>
      {controls.map((control) => <OneControl key={control.name} control={control} value={set[control.name] ?? control.standard} onChange={(value) => change(control.name, value)} />)}
    </div>
  );
}

/** What an option is, from what is said about it: "head up or down, in degrees". */
export const labelOf = (doc: string): string => {
  const [what = doc] = doc.split(/[,:;]/, 1);
  return what.charAt(0).toUpperCase() + what.slice(1);
};

/** A power of ten, of which a slider has 50 to 500. */
const stepOf = (range: number): number => 10 ** Math.floor(Math.log10(range / 50));

function OneControl({ control, value, onChange }: { control: Control; value: OptionValue | null; onChange: (value: OptionValue) => void }) {
  const { t } = useTranslation();
  const { doc, kind, least, most, whole, choices } = control;
  const label = labelOf(doc);
  if (kind === "switch") return <label title={doc}><span>{label}</span><input type="checkbox" defaultChecked={value === true} onChange={(event) => onChange(event.target.checked)} /></label>;
  if (kind === "choice") {
    return (
      <label title={doc}>
        <span>{label}</span>
        <select defaultValue={value === null ? "" : String(value)} onChange={(event) => onChange(event.target.value)}>
          {(value === null || !choices.includes(String(value))) && <option value="" disabled>{t("controls.standard")}</option>}
          {choices.map((choice) => <option key={choice}>{choice}</option>)}
        </select>
      </label>
    );
  }
  return (
    <label title={doc}>
      <span>{label}</span>
      <input
        type="range" aria-label={label} min={least} max={most} step={whole ? 1 : stepOf(most - least)}
        defaultValue={typeof value === "number" ? value : (least + most) / 2} onChange={(event) => onChange(Number(event.target.value))}
      />
      <output>{typeof value === "number" ? value.toFixed(whole ? 0 : 1) : "–"}</output>
    </label>
  );
}
