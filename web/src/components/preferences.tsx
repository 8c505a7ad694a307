// Light or dark, and the language: by the system or by hand.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { THEMES, type Theme, chooseTheme, chosenTheme } from "../theme";
import { LANGUAGES, type Language, chooseLanguage, chosenLanguage } from "../words";

export function Preferences() {
  const { t } = useTranslation();
  const [theme, setTheme] = useState(chosenTheme);
  const [language, setLanguage] = useState(chosenLanguage);
  return (
    <div className="preferences" role="group" aria-label={t("preferences")}>
      <svg viewBox="0 0 24 24" aria-hidden><path d="M12 3a9 9 0 1 0 0 18z" /><circle cx="12" cy="12" r="9" className="stroke" /></svg>
      <select className="small" aria-label={t("theme.label")} title={t("theme.label")} value={theme} onChange={(event) => { const next = event.target.value as Theme; setTheme(next); chooseTheme(next); }}>
        {THEMES.map((each) => <option key={each} value={each}>{t(`theme.${each}`)}</option>)}
      </select>
      <svg viewBox="0 0 24 24" aria-hidden><path d="M3 12h18M12 3c-6 6-6 12 0 18c6-6 6-12 0-18M5 7h14M5 17h14" className="stroke" /><circle cx="12" cy="12" r="9" className="stroke" /></svg>
      <select className="small" aria-label={t("language.label")} title={t("language.label")} value={language} onChange={(event) => { const next = event.target.value as Language | ""; setLanguage(next); chooseLanguage(next); }}>
        <option value="">{t("language.system")}</option>
        {LANGUAGES.map(([name, words]) => <option key={name} value={name} lang={name}>{words}</option>)}
      </select>
    </div>
  );
}
