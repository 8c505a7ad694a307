// A small picture of a session, taken from its video. One after another: the library costs one connection, however long it is.
import { videoUrl } from "./api";
import { type Session, hasEnded } from "./state";

const WIDTH = 192;
/** A video that tells nothing for so long is not waited for. */
const PATIENCE_MS = 10_000;

const taken = new Map<string, string>();
let queue: Promise<unknown> = Promise.resolve();

/** The address of a picture; null: there is none yet. What is asked for and not wanted any more is left out. */
export function thumbnail(session: Session, signal: AbortSignal): Promise<string | null> {
  // When a session has ended, a look at its middle takes the first one's place.
  const key = `${session.id} ${hasEnded(session.state)}`;
  const known = taken.get(key);
  if (known !== undefined) return Promise.resolve(known);
  const turn = queue.then(async () => {
    if (signal.aborted) return null;
    const picture = taken.get(key) ?? await take(session, signal).catch(() => null);
    if (picture !== null) taken.set(key, picture);
    return picture;
  });
  queue = turn;
  return turn;
}

export const forgetThumbnail = (id: string): void => { for (const ended of [true, false]) taken.delete(`${id} ${ended}`); };

async function take(session: Session, signal: AbortSignal): Promise<string | null> {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  try {
    const loaded = next(video, "loadeddata", signal);
    video.src = videoUrl(session.id);
    await loaded;
    // What is in the middle tells more than the first frame; of a video that grows the middle is not known.
    if (hasEnded(session.state) && Number.isFinite(video.duration)) {
      const sought = next(video, "seeked", signal);
      video.currentTime = video.duration / 2;
      await sought;
    }
    const canvas = document.createElement("canvas");
    canvas.width = WIDTH;
    canvas.height = Math.max(1, Math.round((WIDTH * video.videoHeight) / video.videoWidth));
    const context = canvas.getContext("2d")!;
    context.imageSmoothingEnabled = video.videoWidth > WIDTH;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/webp", 0.8);
  } finally {
    video.removeAttribute("src");
    video.load();
  }
}

const next = (video: HTMLVideoElement, name: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const over = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const fail = (): void => reject(new Error("the video shows nothing"));
    over.addEventListener("abort", fail, { once: true });
    video.addEventListener("error", fail, { once: true });
    video.addEventListener(name, () => resolve(), { once: true });
  });
