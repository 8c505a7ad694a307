// Light or dark: as the system is, or as it was chosen by hand.
import { kept } from "./stored";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "rushes.theme";

export const chosenTheme = (): Theme => THEMES.find((theme) => theme === kept.getItem(KEY)) ?? "system";

export const chooseTheme = (theme: Theme): void => {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  kept.setItem(KEY, theme);
};
