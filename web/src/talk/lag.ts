// How long speech takes from this page through the model and back to its loudspeaker, measured by its beginnings: the
// first loud moment after a pause is looked for again in what is played. Pure: times are given.

const LOUD = 0.02;
const PAUSE_S = 0.4;
/** A beginning that has not come back by then was lost. */
const LONGEST_S = 10;

export class LagMeter {
  #loudSent = -Infinity;
  #loudPlayed = -Infinity;
  #began: number | null = null;

  sent(peak: number, seconds: number): void {
    if (peak < LOUD) return;
    const isBeginning = seconds - this.#loudSent > PAUSE_S;
    if (isBeginning && (this.#began === null || seconds - this.#began > LONGEST_S)) this.#began = seconds;
    this.#loudSent = seconds;
  }

  /** Seconds from mouth to ear, when this is the beginning that was waited for. */
  played(peak: number, seconds: number): number | null {
    if (peak < LOUD) return null;
    const isBeginning = seconds - this.#loudPlayed > PAUSE_S;
    this.#loudPlayed = seconds;
    if (!isBeginning || this.#began === null || seconds < this.#began) return null;
    const lag = seconds - this.#began;
    this.#began = null;
    return lag;
  }
}
