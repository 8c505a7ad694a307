// Several videos that play in step: none is ahead of the others for longer than a moment. Pure.

export interface Part {
  /** What it shows. */
  seconds: number;
  /** It has the next frames. */
  ready: boolean;
  /** At its end, of a video that is complete: it waits there for the longer ones. */
  over: boolean;
}

export interface Correction {
  /** Of playback, relative to what was chosen. */
  rate: number;
  /** Stand still until the others have come. */
  hold: boolean;
  /** null: stay. */
  seekTo: number | null;
}

/** Less is not seen: two frames at 24 a second. */
const EQUAL_S = 0.08;
/** More would take too long to make good by playing slower. */
const JUMP_S = 0.6;
const SLOWER = 0.9;

/** The one that is furthest behind sets the pace; it is never moved, since what it waits for may still be made. */
export function inStep(parts: readonly Part[]): Correction[] {
  const going = parts.filter(({ over }) => !over);
  const behind = Math.min(...going.map(({ seconds }) => seconds));
  const stalled = going.some(({ ready }) => !ready);
  return parts.map(({ seconds, over, ready }) => {
    if (over) return { rate: 1, hold: false, seekTo: null };
    const ahead = seconds - behind;
    return { rate: ahead > EQUAL_S ? SLOWER : 1, hold: stalled && ready && ahead > EQUAL_S, seekTo: ahead > JUMP_S ? behind : null };
  });
}
