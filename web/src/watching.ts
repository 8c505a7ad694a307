// The server's sessions as they come and go, those of other clients too, and whether the server answers at all.
import { useEffect, useEffectEvent, useState } from "react";
import * as api from "./api";
import { ServerError, Unreachable } from "./connection";
import type { Session } from "./state";

const LOOK_AGAIN_MS = 2000;
/** A program that feeds frames begins its session when it has the first ones, be the page open or not; and what only the
 * list tells may change with each block. */
const LOOK_SOON_MS = 1000;

export type Line = "asking" | "here" | "gone" | "locked";

export interface Watched {
  line: Line;
  /** How often the server came back: what was connected then is connected anew. */
  returns: number;
  /** Ask at once: there is a token now. */
  again: () => void;
}

/** null: an answer that says nothing of the line. */
export const lineOf = (error: unknown): Line | null =>
  error instanceof Unreachable || (error instanceof ServerError && [502, 503, 504].includes(error.status)) ? "gone"
    : error instanceof ServerError && error.status === 401 ? "locked" : null;

export function useWatching(isSoon: boolean, known: () => ReadonlySet<string>, onList: (sessions: Session[], known: ReadonlySet<string>) => void, onError: (error: unknown) => void): Watched {
  const [line, setLine] = useState<Line>("asking");
  const [returns, setReturns] = useState(0);
  const [asked, setAsked] = useState(0);

  const look = useEffectEvent(async (): Promise<Line> => {
    const before = known();
    try {
      const sessions = await api.listSessions();
      if (line === "gone") setReturns(returns + 1);
      setLine("here");
      onList(sessions, before);
      return "here";
    } catch (error) {
      const now = lineOf(error);
      if (now === null && line === "asking") onError(error);
      if (now !== null) setLine(now);
      return now ?? line;
    }
  });

  useEffect(() => {
    let timer = 0, over = false;
    const round = async (): Promise<void> => {
      // Who looks elsewhere learns of it on return.
      if (!document.hidden && await look() === "locked") return;
      if (!over) timer = window.setTimeout(() => void round(), isSoon ? LOOK_SOON_MS : LOOK_AGAIN_MS);
    };
    void round();
    const shown = (): void => { if (!document.hidden) void look(); };
    document.addEventListener("visibilitychange", shown);
    return () => {
      over = true;
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, [isSoon, asked]);

  return { line, returns, again: () => setAsked((before) => before + 1) };
}
