// Small pictures of what was shown of a video that is still being made: its file cannot be looked into yet. Pure but for
// drawn(), which makes one.

/** One for each half second of the video. */
const PER_SECOND = 2;
/** Of endless videos the newest five minutes. */
export const MAX_STILLS = 600;
/** A picture further away would show something else. */
const NEAR_S = 1;

export class Stills {
  private readonly taken = new Map<number, string>();

  /** `take` is called if there is none of this time. */
  note(seconds: number, take: () => string): void {
    const key = Math.floor(seconds * PER_SECOND);
    if (this.taken.has(key)) return;
    this.taken.set(key, take());
    if (this.taken.size > MAX_STILLS) this.taken.delete(this.taken.keys().next().value!);
  }

  /** The nearest; null: none is near. */
  near(seconds: number): string | null {
    const key = Math.floor(seconds * PER_SECOND);
    for (let away = 0; away <= NEAR_S * PER_SECOND; ++away) {
      const found = this.taken.get(key - away) ?? this.taken.get(key + away);
      if (found !== undefined) return found;
    }
    return null;
  }
}

export const STILL_WIDTH = 160;

/** What a video shows now. */
export function drawn(video: HTMLVideoElement): string {
  const canvas = document.createElement("canvas");
  canvas.width = Math.min(STILL_WIDTH, video.videoWidth);
  canvas.height = Math.max(1, Math.round((canvas.width * video.videoHeight) / video.videoWidth));
  canvas.getContext("2d")!.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/webp", 0.7);
}

/** The moment under a pointer: a slider's mark is `mark` pixels wide, and stays inside. */
export const secondsUnder = (x: number, width: number, mark: number, first: number, last: number): number =>
  first + Math.min(1, Math.max(0, (x - mark / 2) / Math.max(1, width - mark))) * (last - first);
