// The words that a model was trained with, as its files list them: which words of a text are not among them.

/** What a text consists of between white space and punctuation, in lower case. */
export const wordsIn = (text: string): string[] =>
  (text.toLowerCase().match(/[\p{L}\p{M}\p{N}']+/gu) ?? []).map((word) => word.replace(/^'+|'+$/g, "")).filter((word) => word !== "");

/** Each once. While the last word may yet become a known one it is being typed. */
export const unknownIn = (known: string[], text: string): string[] => {
  const all = new Set(known.flatMap(wordsIn));
  if (all.size === 0) return [];
  const words = wordsIn(text);
  const typed = /[\p{L}\p{M}\p{N}']$/u.test(text) ? words.at(-1)! : "";
  const becomesKnown = typed !== "" && [...all].some((word) => word.startsWith(typed));
  return [...new Set(words)].filter((word) => !all.has(word) && !(word === typed && becomesKnown));
};

/** A text that goes on with a word or a phrase. */
export const withWords = (text: string, words: string): string => (text.trim() === "" ? words : `${text.trimEnd()} ${words}`);
