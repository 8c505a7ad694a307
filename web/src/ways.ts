// Two ways by which a session's video comes while it is made: MSE, which keeps what was shown, and WebRTC, which shows
// what is made now. Which one is nearer to the newest picture is measured. Pure.
import { type Session, generatedSeconds } from "./state";

export type Way = "mse" | "webrtc";
export const WAYS: Way[] = ["mse", "webrtc"];

/** What was measured of one of them. */
export interface Measured {
  /** Seconds of the video between what is shown and the newest picture. */
  behind: number;
  /** Pictures that were shown in a second; null: not yet known. */
  fps: number | null;
}

/** Seconds behind the newest picture, as they were measured last here. */
export type Known = Partial<Record<Way, number>>;

/** MSE can go back and stand still: WebRTC has to be better by so much. */
const WORTH_S = 0.3;

/** That which shows the newest picture soonest, as far as both were tried here. What is not made in real time is complete
 * before it is seen, and is not steered. */
export const faster = (known: Known, realTime: boolean): Way =>
  realTime && known.mse !== undefined && known.webrtc !== undefined && known.webrtc + WORTH_S < known.mse ? "webrtc" : "mse";

/** How fast pictures are shown, by their numbers and the times at which they were. */
export class FrameRate {
  #shown: { at: number; number: number }[] = [];

  /** Of the last two seconds; null: that is too short a time to tell. `at` in seconds. */
  note(at: number, number: number): number | null {
    this.#shown = [...this.#shown.filter((each) => each.at >= at - 2), { at, number }];
    const [first] = this.#shown;
    return at - first!.at < 1 ? null : (number - first!.number) / (at - first!.at);
  }
}

/** RTP's clock of pictures, and after how many seconds it begins again. */
const RTP_HZ = 90_000, RTP_ROUND_S = 2 ** 32 / RTP_HZ;

/** Where in the session's video a picture is that came by WebRTC, whose times begin anywhere: the first is of the newest
 * block, from there on they are counted. A pause between two blocks counts as well, but nothing is newer than what is made. */
export class LivePlace {
  #last: number | null = null;
  #at = 0;

  /** Seconds. `clock`: the picture's own time, in seconds. */
  of(session: Session, clock: number): number {
    const made = generatedSeconds(session);
    const newest = session.blocks.findLast((block) => block.complete);
    if (this.#last === null) this.#at = newest ? newest.firstVideoFrame / session.format.fps : session.madeFrames / session.format.fps;
    else this.#at += clock >= this.#last ? clock - this.#last : Math.max(0, clock + RTP_ROUND_S - this.#last);
    this.#last = clock;
    if (made > 0) this.#at = Math.min(this.#at, made);
    return this.#at;
  }
}

export const clockOf = ({ rtpTimestamp, mediaTime }: { rtpTimestamp?: number; mediaTime: number }): number =>
  rtpTimestamp === undefined ? mediaTime : rtpTimestamp / RTP_HZ;
