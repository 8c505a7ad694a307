// What a video is made with beside its words: options of its model, and presets, which keep such choices under a name. Pure.
import type { Control, OptionValue, OptionValues, Pacing } from "./api";

/** What most people look for stands first; the rest as the model names it. */
const FIRST = ["fps", "steps", "guidance_scale", "negative_prompt"];

export const inOrder = (settings: readonly Control[]): Control[] => {
  const place = ({ name }: Control): number => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return settings.toSorted((a, b) => place(a) - place(b));
};

const isAllowed = ({ kind, least, most, whole, choices }: Control, value: unknown): value is OptionValue => {
  switch (kind) {
    case "switch": return typeof value === "boolean";
    case "choice": return typeof value === "string" && choices.includes(value);
    case "text": return typeof value === "string";
    default: return typeof value === "number" && value >= least && value <= most && (!whole || Number.isInteger(value));
  }
};

/** Of what is remembered, what this model still knows and allows. */
export const allowed = (settings: readonly Control[], values: OptionValues = {}): OptionValues =>
  Object.fromEntries(settings.filter((control) => isAllowed(control, values[control.name])).map(({ name }) => [name, values[name]!]));

/** null, and what the model has anyhow: it is not asked for. */
export const changed = (values: OptionValues, { name, standard }: Control, value: OptionValue | null): OptionValues => {
  const others = Object.fromEntries(Object.entries(values).filter(([each]) => each !== name));
  return value === null || value === standard ? others : { ...others, [name]: value };
};

export interface Choices {
  segments: number;
  pacing: Pacing;
  size: string;
  options: OptionValues;
}

/** Choices for one model. Neither words, picture nor seed: those are what changes from video to video. */
export interface Preset extends Choices {
  name: string;
  model: string;
}

const isSame = (a: Choices, b: Choices): boolean => {
  const text = ({ segments, pacing, size, options }: Choices): string => JSON.stringify([segments, pacing, size, Object.entries(options).sort()]);
  return text(a) === text(b);
};

/** What was kept, without what is damaged. */
export const presetsOf = (kept: readonly unknown[], model: string): Preset[] =>
  kept.filter((each): each is Preset => {
    const { name, model: of, options } = (each ?? {}) as Partial<Preset>;
    return typeof name === "string" && of === model && typeof options === "object";
  });

/** The one that would change nothing; null: no preset has these choices. */
export const chosenPreset = (presets: readonly Preset[], choices: Choices): Preset | null => presets.find((preset) => isSame(preset, choices)) ?? null;

const isOther = (a: Preset) => (b: unknown): boolean => {
  const { name, model } = (b ?? {}) as Partial<Preset>;
  return name !== a.name || model !== a.model;
};

/** In place of one of that name. */
export const withPreset = (kept: readonly unknown[], preset: Preset): unknown[] => [...withoutPreset(kept, preset), preset];

export const withoutPreset = (kept: readonly unknown[], preset: Preset): unknown[] => kept.filter(isOther(preset));
