// Which models are offered for what the page does, and what is said of them. Pure: no DOM, no network.
import type { ModelInfo } from "./api";

export type View = "video" | "talk" | "predict";

const FITS: Record<View, (model: ModelInfo) => boolean> = {
  video: (model) => model.takesPrompts && !model.hears && !model.answers,
  talk: (model) => model.hears,
  predict: (model) => model.answers,
};

/** Also those that are not loaded yet: that happens when somebody uses them. The server's default is the first. */
export const modelsFor = (view: View, models: readonly ModelInfo[]): ModelInfo[] =>
  models.filter(FITS[view]).sort((a, b) => Number(b.isDefault) - Number(a.isDefault));

/** What a page opens with that nobody has used yet: what the server's default model is for. */
export const firstView = (models: readonly ModelInfo[]): View => {
  const views = Object.keys(FITS) as View[];
  const of = (some: readonly ModelInfo[]): View | undefined => views.find((view) => some.some(FITS[view]));
  return of(models.filter(({ isDefault }) => isDefault)) ?? of(models) ?? "video";
};

/** The one that was chosen, as long as it is there; null: the server has none for this. */
export const chosenFor = (view: View, models: readonly ModelInfo[], name: string | undefined): ModelInfo | null => {
  const fitting = modelsFor(view, models);
  return fitting.find((model) => model.name === name) ?? fitting[0] ?? null;
};
