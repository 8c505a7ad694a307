// Sessions that are to be removed, and may be had back for a while. The server hears of it when the while is over, or the page is left.
import { useEffect, useEffectEvent, useRef, useState } from "react";

const UNDO_MS = 7000;

export interface Removal {
  /** Not shown any more. */
  going: ReadonlySet<string>;
  /** The newest that can be had back. */
  last: string | null;
  begin: (id: string) => void;
  undo: (id: string) => void;
}

/** `remove` fails by a rejection; then the session is shown again. */
export function useRemoval(remove: (id: string) => Promise<void>): Removal {
  const [going, setGoing] = useState<ReadonlySet<string>>(new Set());
  const [undoable, setUndoable] = useState<readonly string[]>([]);
  const timers = useRef(new Map<string, number>());
  const forget = (id: string): void => {
    window.clearTimeout(timers.current.get(id));
    timers.current.delete(id);
    setUndoable((before) => before.filter((each) => each !== id));
  };
  const show = (id: string): void => setGoing((before) => new Set([...before].filter((each) => each !== id)));
  const finish = useEffectEvent((id: string): void => {
    forget(id);
    remove(id).catch(() => show(id));
  });
  const [due, setDue] = useState<readonly string[]>([]);
  useEffect(() => { for (const id of due) if (timers.current.has(id)) finish(id); }, [due]);
  useEffect(() => {
    const leave = (): void => { for (const id of [...timers.current.keys()]) finish(id); };
    window.addEventListener("pagehide", leave);
    return () => window.removeEventListener("pagehide", leave);
  }, []);
  const begin = (id: string): void => {
    setGoing((before) => new Set([...before, id]));
    setUndoable((before) => [...before, id]);
    timers.current.set(id, window.setTimeout(() => setDue((before) => [...before, id]), UNDO_MS));
  };
  const undo = (id: string): void => { forget(id); show(id); };
  return { going, last: undoable.at(-1) ?? null, begin, undo };
}
