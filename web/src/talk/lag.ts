// How long speech takes from this page through the model and back to its loudspeaker, measured by its beginnings: the
// first loud packet after a pause is looked for again in what is played. Pure: times are given.

const LOUD = 0.02;
/** Packets of 40 ms that make a pause. */
const PAUSE_PACKETS = 10;
/** A beginning that has not come back by then was lost. */
const LONGEST_S = 10;

export class LagMeter {
  #quietSent = PAUSE_PACKETS;
  #quietPlayed = PAUSE_PACKETS;
  #began: number | null = null;

  sent(peak: number, seconds: number): void {
    if (peak < LOUD) ++this.#quietSent;
    else {
      if (this.#quietSent >= PAUSE_PACKETS && (this.#began === null || seconds - this.#began > LONGEST_S)) this.#began = seconds;
      this.#quietSent = 0;
    }
  }

  /** A pause in which nothing is sent, as when the button is not held. */
  paused(): void {
    this.#quietSent = PAUSE_PACKETS;
  }

  /** Seconds from mouth to ear, when this packet is the beginning that was waited for. */
  played(peak: number, seconds: number): number | null {
    if (peak < LOUD) {
      ++this.#quietPlayed;
      return null;
    }
    const isBeginning = this.#quietPlayed >= PAUSE_PACKETS;
    this.#quietPlayed = 0;
    if (!isBeginning || this.#began === null || seconds < this.#began) return null;
    const lag = seconds - this.#began;
    this.#began = null;
    return lag;
  }
}
