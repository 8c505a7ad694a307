// A portrait moves as long as sound comes, silence included. This tells how much silence is due. Pure: times are given.

/** A source that has given nothing for so long is silent. */
const GRACE_S = 0.1;
/** Tabs in the background are woken seldom: time beyond this passes without silence instead of coming in bursts. */
const MOST_AT_ONCE_S = 0.5;
/** With more speech on its way to pictures than this, silence is left out until there is less. */
const MOST_BEHIND_S = 1;

export class Pace {
  #due: number;  // until when there is sound
  #spoken = -Infinity;

  constructor(readonly hz: number, begin: number) {
    this.#due = begin;
  }

  /** So many samples of speech went out. */
  spoke(samples: number, seconds: number): void {
    this.#due += samples / this.hz;
    this.#spoken = seconds;
  }

  /** Samples of silence that are to go out now. `behind`: seconds of sound that went out and have not come back. */
  silence(seconds: number, behind: number): number {
    if (seconds - this.#spoken < GRACE_S) return 0;
    if (behind > MOST_BEHIND_S) {
      this.#due = Math.max(this.#due, seconds);
      return 0;
    }
    this.#due = Math.max(this.#due, seconds - MOST_AT_ONCE_S);
    const samples = Math.max(0, Math.round((seconds - this.#due) * this.hz));
    this.#due += samples / this.hz;
    return samples;
  }
}
