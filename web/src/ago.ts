const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3600], ["minute", 60]];

/** How long ago that was, in words. */
export const ago = (at: number, language: string, now = Date.now()): string => {
  const seconds = Math.max(0, (now - at) / 1000);
  const [unit, size] = UNITS.find(([, each]) => seconds >= each) ?? ["minute", 60];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(-Math.floor(seconds / size), unit);
};
