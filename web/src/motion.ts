/** Whoever asks for less motion starts videos by hand, and pages do not glide. */
export const isCalm = (): boolean => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
