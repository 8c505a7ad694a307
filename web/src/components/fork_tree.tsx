// The forks around the session on the stage, drawn as a tree and walked by keys.
import { type KeyboardEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Row, WALKED, treeOf, walk } from "../forks";
import { type Names, titleOf } from "../library";
import type { Session } from "../state";
import { Thumbnail } from "./library";

interface Props {
  sessions: Session[];
  names: Names;
  chosen: string;
  onChoose: (id: string) => void;
}

export function ForkTree({ sessions, names, chosen, onChoose }: Props) {
  const { t } = useTranslation();
  const tree = useRef<HTMLUListElement>(null);
  /** Where the keys are: first at what is chosen. */
  const [focused, setFocused] = useState<string | null>(null);
  const rows = treeOf(sessions, chosen);
  if (rows.length < 2) return null;
  const at = Math.max(0, rows.findIndex(({ session }) => session.id === (rows.some((row) => row.session.id === focused) ? focused : chosen)));
  const press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") onChoose(rows[at]!.session.id);
    else if (!WALKED.includes(event.key)) return;
    // The keys of the stage are the tree's here, also where they lead nowhere.
    event.preventDefault();
    const to = walk(rows, at, event.key);
    if (to !== null) (tree.current!.children[to] as HTMLElement).focus();
  };
  return (
    <section className="forks">
      <h2 id="forks">{t("forks.title")} <span className="muted">{rows.length - 1}</span></h2>
      <ul ref={tree} role="tree" aria-labelledby="forks" onKeyDown={press}>
        {rows.map((row, i) => {
          const { session, depth, place, siblings } = row;
          return (
            <li
              key={session.id} role="treeitem" aria-level={depth + 1} aria-posinset={place} aria-setsize={siblings} aria-selected={session.id === chosen}
              {...(rows.some(({ parent }) => parent === i) && { "aria-expanded": true })} tabIndex={i === at ? 0 : -1}
              onFocus={() => setFocused(session.id)} onClick={() => onChoose(session.id)}
            >
              <Branch row={row} />
              <Thumbnail session={session} />
              <span className="what">
                <b>{titleOf(session, names) || t("library.unnamed")}</b>
                <small>{t(`state.${session.state}`)} · {(session.madeFrames / session.format.fps).toFixed(1)} s</small>
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** From the origin to here, and past it to what is below. */
function Branch({ row: { depth, lines } }: { row: Row }) {
  return (
    <span className="branch" aria-hidden>
      {lines.map((goesOn, i) => <i key={i} className={`${i === depth - 1 ? "elbow" : ""} ${goesOn ? "on" : ""}`} />)}
    </span>
  );
}
