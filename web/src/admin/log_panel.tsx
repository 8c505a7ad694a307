// The newest lines of the server's log. It follows them as long as its end is seen.
import { useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { root } from "../connection";
import { addressOf } from "../route";
import { LEVELS, type LeastLevel, matching, pieces } from "./log";
import type { Line } from "./server";

export function LogPanel({ lines }: { lines: readonly Line[] }) {
  const { t, i18n } = useTranslation();
  const [least, setLeast] = useState<LeastLevel>("all");
  const [search, setSearch] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const found = matching(lines, least, search);
  const newest = found.at(-1)?.number;
  useLayoutEffect(() => {
    const element = box.current!;
    if (follows.current) element.scrollTop = element.scrollHeight;
  }, [newest, least, search]);
  return (
    <section className="panel" aria-labelledby="log">
      <div className="panel-head">
        <h2 id="log">{t("admin.log.title")}</h2>
        <select className="small" aria-label={t("admin.log.level")} value={least} onChange={(event) => setLeast(event.target.value as LeastLevel)}>
          {LEVELS.map((level) => <option key={level} value={level}>{t(`admin.log.levels.${level}`)}</option>)}
        </select>
        <input type="search" aria-label={t("admin.log.search")} placeholder={t("admin.log.search")} value={search} onChange={(event) => setSearch(event.target.value)} />
      </div>
      <div
        ref={box} className="log" role="log" aria-live="off" aria-label={t("admin.log.title")} tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => { follows.current = scrollTop + clientHeight > scrollHeight - 24; }}
      >
        {found.length === 0 && <p className="next">{t("admin.log.none")}</p>}
        {found.map(({ number, at, level, message }) => (
          <p key={number} className={level}>
            <time dateTime={new Date(at).toISOString()}>{new Date(at).toLocaleTimeString(i18n.language)}</time> <b>{level}</b>{" "}
            {pieces(message).map(({ text, isSession }, i) => (isSession ? <a key={i} href={addressOf(root, { session: text })}>{text.slice(0, 8)}</a> : text))}
          </p>
        ))}
      </div>
    </section>
  );
}
