// All sessions, talking heads too: what they do, and how to end them.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ago } from "../ago";
import { root } from "../connection";
import { addressOf } from "../route";
import { hasEnded } from "../state";
import { bytes } from "./metrics";
import type { Entry } from "./server";

interface Props {
  sessions: readonly Entry[];
  onStop: (id: string) => void;
  onRemove: (id: string) => void;
}

const PAGE = 20;

export function Sessions({ sessions, onStop, onRemove }: Props) {
  const { t } = useTranslation();
  const [onlyGoing, setOnlyGoing] = useState(false);
  const [room, setRoom] = useState(PAGE);
  // What goes on first; among these, those that wait in their order.
  const wanted = sessions.filter(({ state }) => !onlyGoing || !hasEnded(state))
    .toSorted((a, b) => Number(hasEnded(a.state)) - Number(hasEnded(b.state)) || (a.position ?? 0) - (b.position ?? 0));
  return (
    <section className="panel" aria-labelledby="sessions">
      <div className="panel-head">
        <h2 id="sessions">{t("library.title")} <span className="muted">{sessions.length}</span></h2>
        <label className="check"><input type="checkbox" checked={onlyGoing} onChange={(event) => setOnlyGoing(event.target.checked)} /> {t("admin.onlyGoing")}</label>
      </div>
      {wanted.length === 0 ? <p className="next">{t("admin.noSessions")}</p> : (
        <table className="entries">
          <thead>
            <tr>{(["state", "what", "made", "viewers", "disk", "age"] as const).map((name) => <th key={name} scope="col">{t(`admin.columns.${name}`)}</th>)}<th scope="col"><span className="hidden">{t("admin.columns.actions")}</span></th></tr>
          </thead>
          <tbody>{wanted.slice(0, room).map((entry) => <Row key={entry.id} entry={entry} onStop={onStop} onRemove={onRemove} />)}</tbody>
        </table>
      )}
      {wanted.length > room && <button type="button" className="quiet" onClick={() => setRoom(room + PAGE)}>{t("library.more", { count: wanted.length - room })}</button>}
    </section>
  );
}

function Row({ entry, onStop, onRemove }: { entry: Entry; onStop: (id: string) => void; onRemove: (id: string) => void }) {
  const { t, i18n } = useTranslation();
  const { id, state, position, replayBlocks, replayedBlocks, plannedFrames, videoFrames } = entry;
  const words = entry.prompt || t("library.unnamed");
  const name = id.slice(0, 8);
  const isReplaying = !hasEnded(state) && replayedBlocks < replayBlocks;
  return (
    <tr className={state}>
      <td className="state"><i aria-hidden />{t(`state.${state}`)}{position !== null && <small>{t("queue.place", { position })}</small>}{isReplaying && <small>{t("goOn.replaying", { at: replayedBlocks + 1, all: replayBlocks })}</small>}</td>
      <td className="what">
        {entry.isTalk ? words : <a href={addressOf(root, { session: id })}>{words}</a>}
        <small>{entry.model} · <code>{name}</code></small>
        {entry.failure !== "" && <small className="failure">{entry.failure}</small>}
      </td>
      <td data-name={t("admin.columns.made")}>{plannedFrames === null ? videoFrames : t("admin.of", { made: videoFrames, all: plannedFrames })}{entry.fps > 0 && <small>{t("measure.fps", { fps: entry.fps.toFixed(1) })}</small>}</td>
      <td data-name={t("admin.columns.viewers")}>{entry.viewers}</td>
      <td data-name={t("admin.columns.disk")}>{bytes(entry.bytes)}</td>
      <td data-name={t("admin.columns.age")}>{ago(entry.createdAt, i18n.language)}</td>
      <td className="actions">
        {!hasEnded(state) && <button type="button" className="small stop" aria-label={t("admin.stop", { name })} onClick={() => onStop(id)}>{t("stage.stop")}</button>}
        <button type="button" className="small stop" aria-label={t("admin.remove", { name })} onClick={() => onRemove(id)}>{t("delete")}</button>
      </td>
    </tr>
  );
}
