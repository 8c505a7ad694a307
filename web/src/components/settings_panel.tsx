// What a video is made with beside its words, made from the model's own list of options, and presets of such choices.
import { type KeyboardEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Control, OptionValue, OptionValues } from "../api";
import { type Choices, type Preset, changed, chosenPreset, inOrder } from "../settings";
import { labelOf } from "./controls";

/** Named by what they do in each language; others by what the model says of them. */
const NAMED = ["fps", "steps", "guidance_scale", "negative_prompt", "solver", "timestep_shift", "segment_length", "overlap", "fit", "window", "sink", "teacache"] as const;
type Named = (typeof NAMED)[number];

interface Props {
  settings: Control[];
  /** As they stand in the form; those of them that are allowed are chosen. */
  typed: OptionValues;
  choices: Choices;
  presets: Preset[];
  onOptions: (options: OptionValues) => void;
  onPreset: (preset: Preset) => void;
  onSave: (name: string) => void;
  onDelete: (preset: Preset) => void;
}

export function SettingsPanel({ settings, typed, choices, presets, onOptions, onPreset, onSave, onDelete }: Props) {
  const { t } = useTranslation();
  const panel = useRef<HTMLDetailsElement>(null);
  const count = Object.keys(choices.options).length;
  if (settings.length === 0) return null;
  return (
    // The browser tells of a value that is not allowed where it stands: then it must be seen.
    <details ref={panel} className="settings" onInvalidCapture={() => { panel.current!.open = true; }}>
      <summary>{t("settings.title")}{count > 0 && <span className="muted"> · {t("settings.changed", { count })}</span>}</summary>
      <Presets presets={presets} chosen={chosenPreset(presets, choices)} onPreset={onPreset} onSave={onSave} onDelete={onDelete} />
      <div className="options">
        {inOrder(settings).map((control) => (
          <Setting key={control.name} control={control} value={typed[control.name] ?? null} onChange={(value) => onOptions(changed(typed, control, value))} />
        ))}
      </div>
      <button type="button" disabled={Object.keys(typed).length === 0} onClick={() => onOptions({})}>{t("settings.reset")}</button>
    </details>
  );
}

interface SettingProps {
  control: Control;
  /** null: as the model has it. */
  value: OptionValue | null;
  onChange: (value: OptionValue | null) => void;
}

function Setting({ control, value, onChange }: SettingProps) {
  const { t } = useTranslation();
  const { name, doc, kind, least, most, whole, choices, standard } = control;
  const label = (NAMED as readonly string[]).includes(name) ? t(`settings.names.${name as Named}`) : labelOf(doc);
  const isSet = value !== null;
  const standardWords = standard === null ? t("settings.auto") : String(standard);
  if (kind === "switch" && standard !== null)
    return <label title={doc} className={isSet ? "set" : ""}><span>{label}</span><input type="checkbox" checked={(value ?? standard) === true} onChange={(event) => onChange(event.target.checked)} /></label>;
  if (kind === "switch" || kind === "choice") {
    const words = kind === "choice" ? choices.map((choice) => [choice, choice || "–"]) : [["true", t("settings.on")], ["false", t("settings.off")]];
    return (
      <label title={doc} className={isSet ? "set" : ""}>
        <span>{label}</span>
        <select
          value={isSet ? String(value) : standard === null ? "as the model has it" : String(standard)}
          onChange={({ target }) => onChange(target.value === "as the model has it" ? null : kind === "choice" ? target.value : target.value === "true")}
        >
          {standard === null && <option value="as the model has it">{t("settings.auto")}</option>}
          {words.map(([each, shown]) => <option key={each} value={each}>{shown}</option>)}
        </select>
      </label>
    );
  }
  if (kind === "text") {
    return (
      <label title={doc} className={`wide ${isSet ? "set" : ""}`}>
        <span>{label}</span>
        <input type="text" maxLength={8192} value={isSet ? String(value) : ""} placeholder={standard ? String(standard) : ""} onChange={(event) => onChange(event.target.value || null)} />
      </label>
    );
  }
  return (
    <label title={doc} className={isSet ? "set" : ""}>
      <span>{label}</span>
      <input
        type="number" min={least} max={most} step={whole ? 1 : "any"} placeholder={standardWords} value={isSet ? Number(value) : ""}
        onChange={(event) => onChange(event.target.value === "" ? null : event.target.valueAsNumber)}
      />
    </label>
  );
}

interface PresetsProps {
  presets: Preset[];
  /** null: what is chosen has no name. */
  chosen: Preset | null;
  onPreset: (preset: Preset) => void;
  onSave: (name: string) => void;
  onDelete: (preset: Preset) => void;
}

function Presets({ presets, chosen, onPreset, onSave, onDelete }: PresetsProps) {
  const { t } = useTranslation();
  /** null: nothing is being named. */
  const [name, setName] = useState<string | null>(null);
  const save = (): void => {
    if (name === null || name.trim() === "") return;
    onSave(name.trim());
    setName(null);
  };
  const press = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();  // Enter would generate
    if (event.key === "Enter") save();
    else setName(null);
  };
  if (name !== null) {
    return (
      <div className="presets">
        <input autoFocus type="text" maxLength={60} aria-label={t("presets.name")} placeholder={t("presets.name")} value={name} onChange={(event) => setName(event.target.value)} onKeyDown={press} />
        <button type="button" className="primary" disabled={name.trim() === ""} onClick={save}>{t("presets.save")}</button>
        <button type="button" className="quiet" onClick={() => setName(null)}>{t("cancel")}</button>
      </div>
    );
  }
  return (
    <div className="presets">
      {presets.length > 0 && (
        <select aria-label={t("presets.label")} value={chosen?.name ?? ""} onChange={(event) => onPreset(presets.find((preset) => preset.name === event.target.value)!)}>
          {chosen === null && <option value="" disabled>{t("presets.none")}</option>}
          {presets.map((preset) => <option key={preset.name}>{preset.name}</option>)}
        </select>
      )}
      {chosen === null ? <button type="button" title={t("presets.title")} onClick={() => setName("")}>{t("presets.saveAs")}</button>
        : <button type="button" onClick={() => onDelete(chosen)}>{t("presets.delete")}</button>}
    </div>
  );
}
