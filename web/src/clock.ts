/** Seconds as a player shows them, with tenths, since videos are short: 0:05.2, 12:05.0. */
export const clock = (seconds: number): string => {
  const tenths = Math.max(0, Math.floor(seconds * 10 + 1e-6)) || 0;
  const whole = Math.floor(tenths / 10);
  const minutes = Math.floor(whole / 60);
  return `${minutes}:${String(whole % 60).padStart(2, "0")}.${tenths % 10}`;
};
