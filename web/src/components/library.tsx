// All sessions of the server but the one on the stage included: to be found, shown, downloaded, removed.
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ago } from "../ago";
import { videoUrl } from "../api";
import { type Filter, type Names, found, hasPicture, modelsOf, titleOf, wordsOf } from "../library";
import { canShare } from "../links";
import { MOST_BESIDE, addressOf } from "../route";
import { type Session, hasEnded } from "../state";
import { thumbnail } from "../thumbnails";
import { Waiting, fileName } from "./stage";

interface Props {
  sessions: Session[];
  names: Names;
  chosen: string | null;
  /** On the stage beside it. */
  beside: readonly string[];
  root: string;
  onChoose: (id: string) => void;
  /** Puts it beside the chosen one, or takes it from there. */
  onBeside: (id: string) => void;
  onRename: (session: Session, name: string) => void;
  onCopyLink: (session: Session) => void;
  onShare: (session: Session) => void;
  onRemove: (id: string) => void;
}

/** So many are drawn at first, and with each wish for more. */
const PAGE = 24;

export function Library(props: Props) {
  const { sessions, names } = props;
  const { t } = useTranslation();
  const [filter, setFilter] = useState<Filter>({ search: "", model: "" });
  const [room, setRoom] = useState(PAGE);
  const models = modelsOf(sessions);
  const matching = found(sessions, models.includes(filter.model) ? filter : { ...filter, model: "" }, names);
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
          <Item key={session.id} {...props} session={session} tellsModel={models.length > 1} />
        ))}
      </ul>
      {matching.length > room && <button type="button" className="quiet" onClick={() => setRoom(room + PAGE)}>{t("library.more", { count: matching.length - room })}</button>}
    </section>
  );
}

function Item({ session, names, tellsModel, chosen, beside, root, onChoose, onBeside, onRename, onCopyLink, onShare, onRemove }: Props & { session: Session; tellsModel: boolean }) {
  const { t, i18n } = useTranslation();
  const title = titleOf(session, names);
  const moreId = useId();
  const [open, setOpen] = useState(false);
  /** null: it is not being renamed. */
  const [name, setName] = useState<string | null>(null);
  const moreButton = useRef<HTMLButtonElement>(null);
  const close = (): void => { setOpen(false); setName(null); moreButton.current?.focus(); };
  const save = (): void => { onRename(session, name ?? ""); close(); };
  const press = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();  // else Enter would press the button that has the focus then
    if (event.key === "Enter") save();
    else close();
  };
  return (
    <li className={`${session.state} ${session.id === chosen || beside.includes(session.id) ? "chosen" : ""}`}>
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
          <b title={title}>{title || t("library.unnamed")}</b>
          {names[session.id] !== undefined && <span className="words-of">{wordsOf(session)}</span>}
          <small>{hasEnded(session.state) || session.state !== "queued" ? t(`state.${session.state}`) : <Waiting session={session} />} · {(session.madeFrames / session.format.fps).toFixed(1)} s · {ago(session.createdAt, i18n.language)}</small>
          {tellsModel && <small>{session.model}</small>}
        </span>
      </a>
      {hasEnded(session.state) && session.madeFrames > 0 && (
        <a className="button icon" href={videoUrl(session.id)} download={fileName(session)} aria-label={t("library.download", { prompt: title })} title={t("download")}>
          <svg viewBox="0 0 24 24" aria-hidden><path d="M12 4v11m-5-5l5 5 5-5M5 20h14" className="stroke" /></svg>
        </a>
      )}
      <button ref={moreButton} type="button" className="icon" aria-expanded={open} aria-controls={moreId} aria-label={t("library.moreOf", { prompt: title })} title={t("library.moreTitle")} onClick={() => { setOpen(!open); setName(null); }}>
        <svg viewBox="0 0 24 24" aria-hidden><circle cx="5" cy="12" r="2" /><circle cx="12" cy="12" r="2" /><circle cx="19" cy="12" r="2" /></svg>
      </button>
      <button type="button" className="icon" aria-label={t("library.delete", { prompt: title })} title={t("delete")} onClick={() => onRemove(session.id)}>
        <svg viewBox="0 0 24 24" aria-hidden><path d="M5 7h14M10 7V4h4v3m3 0l-1 13H8L7 7" className="stroke" /></svg>
      </button>
      {open && (
        <div id={moreId} className="more">
          {name === null ? (
            <>
              {chosen !== null && session.id !== chosen && (
                <button
                  type="button" className="small" aria-pressed={beside.includes(session.id)} disabled={!beside.includes(session.id) && beside.length >= MOST_BESIDE}
                  title={t("beside.title")} onClick={() => onBeside(session.id)}
                >
                  {t("beside.add")}
                </button>
              )}
              <button type="button" className="small" onClick={() => setName(title)}>{t("library.rename")}</button>
              <button type="button" className="small" onClick={() => onCopyLink(session)}>{t("link.copy")}</button>
              {canShare() && <button type="button" className="small" onClick={() => onShare(session)}>{t("link.share")}</button>}
            </>
          ) : (
            <>
              <input autoFocus type="text" aria-label={t("library.name")} maxLength={120} value={name} onFocus={(event) => event.target.select()} onChange={(event) => setName(event.target.value)} onKeyDown={press} />
              <button type="button" className="small" onClick={save}>{t("presets.save")}</button>
            </>
          )}
        </div>
      )}
    </li>
  );
}

export function Thumbnail({ session }: { session: Session }) {
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
