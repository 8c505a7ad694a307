// The ways between the pages. They stay in this tab, which has the token.
import { useTranslation } from "react-i18next";
import { root } from "../connection";

const PLACES = [["studio", ""], ["docs", "docs"], ["admin", "admin"]] as const;
export type Place = (typeof PLACES)[number][0];

export function Places({ here }: { here: Place }) {
  const { t } = useTranslation();
  return (
    <nav className="places" aria-label={t("places.label")}>
      {PLACES.map(([name, path]) => <a key={name} href={root + path} {...(name === here && { "aria-current": "page" as const })}>{t(`places.${name}`)}</a>)}
    </nav>
  );
}
