// What the library shows of the sessions. Pure.
import { type Session, hasEnded } from "./state";

export interface Filter {
  /** Words that prompts have; empty: any. */
  search: string;
  /** Empty: any. */
  model: string;
}

/** What people call sessions, by id. The server has no names: these stay in the browser. */
export type Names = Readonly<Record<string, string>>;

/** Those that have every word, in any order, in their name, a prompt, the model's name or the id's beginning. */
export const found = (sessions: readonly Session[], { search, model }: Filter, names: Names = {}): Session[] => {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return sessions.filter((session) => {
    if (model !== "" && session.model !== model) return false;
    const text = `${names[session.id] ?? ""} ${session.firstPrompt} ${session.prompt} ${session.model}`.toLowerCase();
    return words.every((word) => text.includes(word) || session.id.startsWith(word));
  });
};

/** The words that a session is known by: a fork by those that make it another one. */
export const wordsOf = ({ forkedFrom, prompt, firstPrompt }: Session): string => (forkedFrom !== null && prompt ? prompt : firstPrompt || prompt);

export const titleOf = (session: Session, names: Names = {}): string => names[session.id] ?? wordsOf(session);

/** An empty name, and one that says what the words say anyhow, takes the name away. */
export const renamed = (names: Names, session: Session, name: string): Names => {
  const others = Object.fromEntries(Object.entries(names).filter(([id]) => id !== session.id));
  const said = name.trim();
  return said === "" || said === wordsOf(session) ? others : { ...others, [session.id]: said };
};

export const modelsOf = (sessions: readonly Session[]): string[] => [...new Set(sessions.map(({ model }) => model))].sort();

/** The session that takes a removed one's place on the stage: the next older one, else the next newer one. */
export const neighbour = (sessions: readonly Session[], id: string): string | null => {
  const at = sessions.findIndex((session) => session.id === id);
  return (sessions[at + 1] ?? sessions[at - 1])?.id ?? null;
};

/** The frames of one that ended do not change; a running one is looked at when it has some. */
export const hasPicture = (session: Session): boolean => session.madeFrames > 0 && (hasEnded(session.state) || session.state !== "queued");
