// All sessions of the server but the one on the stage included: to be found, shown, downloaded, removed.
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { videoUrl } from "../api";
import { type Filter, found, hasPicture, modelsOf, titleOf } from "../library";
import { addressOf } from "../route";
import { type Session, hasEnded } from "../state";
import { thumbnail } from "../thumbnails";
import { Waiting, fileName } from "./stage";

interface Props {
  sessions: Session[];
  chosen: string | null;
  root: string;
  onChoose: (id: string) => void;
  onRemove: (id: string) => void;
}

/** So many are drawn at first, and with each wish for more. */
const PAGE = 24;

export function Library({ sessions, chosen, root, onChoose, onRemove }: Props) {
  const { t, i18n } = useTranslation();
  const [filter, setFilter] = useState<Filter>({ search: "", model: "" });
  const [room, setRoom] = useState(PAGE);
  const models = modelsOf(sessions);
  const matching = found(sessions, models.includes(filter.model) ? filter : { ...filter, model: "" });
  if (sessions.length === 0) return null;
  return (
    <section className="library" aria-label={t("library.label")}>
      <div className="library-head">
        <h2>{t("library.title")} <span className="muted">{matching.length === sessions.length ? sessions.length : t("library.count", { shown: matching.length, all: sessions.length })}</span></h2>
        {sessions.length > 1 && <input type="search" aria-label={t("library.search")} placeholder={t("library.search")} value={filter.search} onChange={(event) => setFilter({ ...filter, search: event.target.value })} />}
        {models.length > 1 && (
          <select className="small" aria-label={t("library.model")} value={filter.model} onChange={(event) => setFilter({ ...filter, model: event.target.value })}>
            <option value="">{t("library.allModels")}</option>
            {models.map((model) => <option key={model}>{model}</option>)}
          </select>
        )}
      </div>
      {matching.length === 0 && <p className="next" role="status">{t("library.none")}</p>}
      <ul>
        {matching.slice(0, room).map((session) => (
          <li key={session.id} className={`${session.state} ${session.id === chosen ? "chosen" : ""}`}>
            <a
              href={addressOf(root, { session: session.id })} aria-current={session.id === chosen}
              onClick={(event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey) return;  // another tab or window
                event.preventDefault();
                onChoose(session.id);
              }}
            >
              <Thumbnail session={session} />
              <span className="what">
                <b>{titleOf(session) || t("library.unnamed")}</b>
                <small>{hasEnded(session.state) || session.state !== "queued" ? t(`state.${session.state}`) : <Waiting session={session} />} · {(session.madeFrames / session.format.fps).toFixed(1)} s · {ago(session.createdAt, i18n.language)}</small>
                {models.length > 1 && <small>{session.model}</small>}
              </span>
            </a>
            {hasEnded(session.state) && session.madeFrames > 0 && (
              <a className="button icon" href={videoUrl(session.id)} download={fileName(session)} aria-label={t("library.download", { prompt: titleOf(session) })} title={t("download")}>
                <svg viewBox="0 0 24 24" aria-hidden><path d="M12 4v11m-5-5l5 5 5-5M5 20h14" className="stroke" /></svg>
              </a>
            )}
            <button type="button" className="icon" aria-label={t("library.delete", { prompt: titleOf(session) })} title={t("delete")} onClick={() => onRemove(session.id)}>
              <svg viewBox="0 0 24 24" aria-hidden><path d="M5 7h14M10 7V4h4v3m3 0l-1 13H8L7 7" className="stroke" /></svg>
            </button>
          </li>
        ))}
      </ul>
      {matching.length > room && <button type="button" className="quiet" onClick={() => setRoom(room + PAGE)}>{t("library.more", { count: matching.length - room })}</button>}
    </section>
  );
}

function Thumbnail({ session }: { session: Session }) {
  const [picture, setPicture] = useState<string | null>(null);
  const [place, setPlace] = useState<HTMLElement | null>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!place) return;
    const observer = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) setSeen(true); });
    observer.observe(place);
    return () => observer.disconnect();
  }, [place]);
  const wanted = seen && hasPicture(session) ? session : null;
  const wantedId = wanted && `${wanted.id} ${hasEnded(wanted.state)}`;
  useEffect(() => {
    if (!wanted) return;
    const control = new AbortController();
    void thumbnail(wanted, control.signal).then((address) => { if (!control.signal.aborted && address !== null) setPicture(address); });
    return () => control.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the session changes with each frame, its picture does not
  }, [wantedId]);
  return <span ref={setPlace} className="thumbnail">{picture && <img src={picture} alt="" />}</span>;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3600], ["minute", 60]];

const ago = (at: number, language: string): string => {
  const seconds = Math.max(0, (Date.now() - at) / 1000);
  const [unit, size] = UNITS.find(([, each]) => seconds >= each) ?? ["minute", 60];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(-Math.floor(seconds / size), unit);
};
