// The server, looked at again and again; its figures are kept for an hour, over reloads of the tab.
import { useEffect, useEffectEvent, useState } from "react";
import { ofTab, read } from "../stored";
import { type Line as LineState, lineOf } from "../watching";
import { withLines } from "./log";
import { HOUR_MS, type Metrics, type Sample, sampleOf, withSample } from "./metrics";
import * as server from "./server";

const LOOK_AGAIN_MS = 2000;
const HISTORY = "rushes.history.1";

export interface Look {
  /** Milliseconds since 1970. */
  at: number;
  metrics: Metrics;
  sessions: server.Entry[];
  models: server.ServedModel[];
  limits: server.Limits;
}

export interface Looking {
  line: LineState;
  look: Look | null;
  history: readonly Sample[];
  log: readonly server.Line[];
  /** At once: something has changed. */
  again: () => void;
}

const storedHistory = (): Sample[] => read<Sample[]>(ofTab, HISTORY, []).filter(({ at }) => at > Date.now() - HOUR_MS);

export function useLooking(onError: (error: unknown) => void): Looking {
  const [line, setLine] = useState<LineState>("asking");
  const [look, setLook] = useState<Look | null>(null);
  const [history, setHistory] = useState<readonly Sample[]>(storedHistory);
  const [log, setLog] = useState<readonly server.Line[]>([]);
  const [asked, setAsked] = useState(0);

  const round = useEffectEvent(async (): Promise<LineState> => {
    try {
      // After a restart the numbers of lines begin again; what was known then is behind them.
      const [metrics, sessions, models, limits, all] = await Promise.all(
        [server.metrics(), server.sessions(), server.models(), look?.limits ?? server.limits(), server.logAfter(line === "here" ? (log.at(-1)?.number ?? 0) : 0)]);
      const at = Date.now();
      setLook({ at, metrics, sessions, models, limits });
      setHistory((before) => withSample(before, sampleOf(metrics, at)));
      setLog((before) => withLines(before, all));
      setLine("here");
      return "here";
    } catch (error) {
      const now = lineOf(error);
      if (now === null) onError(error);
      else setLine(now);
      return now ?? "here";
    }
  });
  useEffect(() => {
    let timer = 0, over = false;
    const again = async (): Promise<void> => {
      if (await round() !== "locked" && !over) timer = window.setTimeout(() => void again(), LOOK_AGAIN_MS);
    };
    void again();
    return () => {
      over = true;
      window.clearTimeout(timer);
    };
  }, [asked]);

  const keep = useEffectEvent(() => ofTab.setItem(HISTORY, JSON.stringify(history)));
  useEffect(() => {
    const leave = (): void => keep();
    window.addEventListener("pagehide", leave);
    return () => window.removeEventListener("pagehide", leave);
  }, []);
  return { line, look, history, log, again: () => setAsked((before) => before + 1) };
}
