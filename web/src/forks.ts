// The tree that forks make: each session below the one that it was forked from. Pure.
import type { Session } from "./state";

export interface Row {
  session: Session;
  /** 0: the root. */
  depth: number;
  /** The row of its origin; null: the root's. */
  parent: number | null;
  /** Its place among the forks of its origin, from 1 on, and how many those are. */
  place: number;
  siblings: number;
  /** For each depth above its own, whether a line goes on there to rows below. */
  lines: boolean[];
}

/** All sessions that have a root in common with this one, from the top to the bottom as they are drawn; forks in the order
 * in which they were made. An origin that is gone is left out, and what was below it stands alone. */
export function treeOf(sessions: readonly Session[], id: string): Row[] {
  const known = new Map(sessions.map((session) => [session.id, session]));
  let root = known.get(id);
  // So many steps at most, should origins ever run in a circle.
  for (let steps = 0; root && steps < sessions.length; ++steps) root = known.get(root.forkedFrom ?? "") ?? root;
  if (!root) return [];
  const rows: Row[] = [];
  const add = (session: Session, of: Omit<Row, "session">): void => {
    const at = rows.push({ session, ...of }) - 1;
    // Times are in seconds; of one second the newest comes first.
    const forks = sessions.toReversed().filter(({ forkedFrom, id: each }) => forkedFrom === session.id && !rows.some((row) => row.session.id === each)).toSorted((a, b) => a.createdAt - b.createdAt);
    forks.forEach((fork, i) =>
      add(fork, { depth: of.depth + 1, parent: at, place: i + 1, siblings: forks.length, lines: [...of.lines, i + 1 < forks.length] }));
  };
  add(root, { depth: 0, parent: null, place: 1, siblings: 1, lines: [] });
  return rows;
}

/** The row that a key leads to from this one; null: the key means nothing here. */
export function walk(rows: readonly Row[], from: number, key: string): number | null {
  const to = key === "ArrowUp" ? from - 1 : key === "ArrowDown" ? from + 1 : key === "ArrowLeft" ? rows[from]!.parent
    : key === "ArrowRight" ? rows.findIndex(({ parent }) => parent === from) : key === "Home" ? 0 : key === "End" ? rows.length - 1 : null;
  return to === null || to < 0 || to >= rows.length ? null : to;
}

export const WALKED = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"];
