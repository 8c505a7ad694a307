// What keys do with the video on the stage. Pure: no DOM beyond what an event says.

export type KeyAction =
  | { type: "toggle" | "full_screen" | "mute" | "to_prompt" | "help" }
  | { type: "skip"; seconds: number }
  | { type: "step"; frames: number }
  | { type: "go"; to: "start" | "newest" };

/** As the help lists them. */
export const KEYS: { keys: string[]; action: KeyAction; words: KeyWords }[] = [
  { keys: [" ", "k"], action: { type: "toggle" }, words: "toggle" },
  { keys: ["ArrowLeft"], action: { type: "skip", seconds: -1 }, words: "back" },
  { keys: ["ArrowRight"], action: { type: "skip", seconds: 1 }, words: "forward" },
  { keys: ["j"], action: { type: "skip", seconds: -5 }, words: "farBack" },
  { keys: ["l"], action: { type: "skip", seconds: 5 }, words: "farForward" },
  { keys: [","], action: { type: "step", frames: -1 }, words: "frameBack" },
  { keys: ["."], action: { type: "step", frames: 1 }, words: "frameForward" },
  { keys: ["Home"], action: { type: "go", to: "start" }, words: "start" },
  { keys: ["End"], action: { type: "go", to: "newest" }, words: "newest" },
  { keys: ["f"], action: { type: "full_screen" }, words: "fullScreen" },
  { keys: ["m"], action: { type: "mute" }, words: "mute" },
  { keys: ["/"], action: { type: "to_prompt" }, words: "toPrompt" },
  { keys: ["?"], action: { type: "help" }, words: "help" },
];
type KeyWords =
  | "toggle" | "back" | "forward" | "farBack" | "farForward" | "frameBack" | "frameForward" | "start" | "newest" | "fullScreen" | "mute" | "toPrompt" | "help";

/** What is pressed, and what has the focus then. */
export interface Pressed {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  target: EventTarget | null;
}

const TYPED = ["text", "search", "password", "number", "email", "url", "tel"];

/** null: the key belongs to what has the focus (words are typed, a slider moves, a button is pressed), or means nothing. */
export function keyAction({ key, ctrlKey, altKey, metaKey, target }: Pressed): KeyAction | null {
  if (ctrlKey || altKey || metaKey) return null;
  const found = KEYS.find(({ keys }) => keys.includes(key.length === 1 ? key.toLowerCase() : key));
  if (!found) return null;
  const { tagName = "", type = "", isContentEditable = false } = (target ?? {}) as Partial<HTMLInputElement>;
  if (isContentEditable || tagName === "TEXTAREA" || tagName === "SELECT") return null;
  if (tagName === "INPUT" && (TYPED.includes(type) || key === " ")) return null;
  // Radio buttons and sliders have the arrows; a slider has Home and End.
  if (tagName === "INPUT" && (key.startsWith("Arrow") || key === "Home" || key === "End")) return null;
  if (key === " " && ["BUTTON", "A", "SUMMARY"].includes(tagName)) return null;
  return found.action;
}

/** As it is written on a key cap. */
export const keyCap = (key: string): string =>
  ({ " ": "␣", ArrowLeft: "←", ArrowRight: "→" })[key] ?? (key.length === 1 ? key.toUpperCase() : key);
