// Seeds have 64 bits. JavaScript's numbers hold 53: in the page they are digits, in JSON numbers. Pure.

/** JSON whose seeds become digits. In a string the quotes before and behind the name would be escaped. */
export const readSeeds = (text: string): unknown => JSON.parse(text.replace(/(?<!\\)("seed"\s*:\s*)(\d+)/g, '$1"$2"'));

/** As JSON.stringify, with the digits of its `seed` as a number. */
export const withSeed = (body: unknown): string => {
  const { seed, ...others } = body as { seed: string };
  return JSON.stringify({ seed: 0, ...others }).replace('{"seed":0', () => `{"seed":${BigInt(seed)}`);
};
