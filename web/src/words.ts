// The page's words in the language of whoever looks at it: plain JSON catalogues in locales/, complete in each language.
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import en from "./locales/en.json";
import zh from "./locales/zh.json";
import { kept } from "./stored";

export const LANGUAGES = [["en", "English"], ["zh", "中文"]] as const;
export type Language = (typeof LANGUAGES)[number][0];

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

const KEY = "rushes.language";

/** By hand, else as the browser asks for. */
export const chosenLanguage = (): Language | "" => LANGUAGES.find(([name]) => name === kept.getItem(KEY))?.[0] ?? "";

const systemLanguage = (): Language =>
  navigator.languages.map((wanted) => LANGUAGES.find(([name]) => wanted.toLowerCase().startsWith(name))?.[0]).find((name) => name !== undefined) ?? "en";

const speak = (language: Language): void => {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  void i18next.changeLanguage(language);
};

export const chooseLanguage = (language: Language | ""): void => {
  if (language === "") kept.removeItem(KEY);
  else kept.setItem(KEY, language);
  speak(language || systemLanguage());
};

export const startWords = (): void => {
  void i18next.use(initReactI18next).init({
    resources: { en: { translation: en }, zh: { translation: zh } }, lng: chosenLanguage() || systemLanguage(), fallbackLng: "en",
    interpolation: { escapeValue: false },  // React escapes
  });
  speak(chosenLanguage() || systemLanguage());
};
