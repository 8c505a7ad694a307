// Light or dark: as the system is, or as it was chosen by hand.
import { useSyncExternalStore } from "react";
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

const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");

const subscribe = (tell: () => void): (() => void) => {
  const chosen = new MutationObserver(tell);
  chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  darkSystem.addEventListener("change", tell);
  return () => { chosen.disconnect(); darkSystem.removeEventListener("change", tell); };
};

/** What is seen, for what cannot follow the style sheet's light-dark(). */
export const useDark = (): boolean =>
  useSyncExternalStore(subscribe, () => (document.documentElement.dataset.theme ?? (darkSystem.matches ? "dark" : "light")) === "dark");
