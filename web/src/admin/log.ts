// The tail of the server's log. Pure.
import type { Line } from "./server";

/** As many as the server keeps. */
const MOST_LINES = 500;

/** A server that was started anew counts from one again. */
export const withLines = (known: readonly Line[], news: readonly Line[]): Line[] => {
  const first = news[0]?.number;
  return [...(first === undefined ? known : known.filter(({ number }) => number < first)), ...news].slice(-MOST_LINES);
};

export const LEVELS = ["all", "warning", "error"] as const;
export type LeastLevel = (typeof LEVELS)[number];

export const matching = (lines: readonly Line[], least: LeastLevel, search: string): Line[] => {
  const words = search.toLowerCase().trim();
  return lines.filter(({ level, message }) =>
    (least === "all" || level === "error" || (least === "warning" && level === "warning")) && message.toLowerCase().includes(words));
};

/** A message in pieces, of which those that are a session's id lead there. */
export const pieces = (message: string): { text: string; isSession: boolean }[] =>
  message.split(/\b([0-9a-f]{32})\b/).map((text, i) => ({ text, isSession: i % 2 === 1 })).filter(({ text }) => text !== "");
