// Plays a growing fragmented MP4 in a <video> while it arrives: a WebSocket's messages into a MediaSource. A WebSocket,
// because a browser keeps six plain connections to a server and no more: six videos would leave none for the buttons.

/** Seconds of played video that stay for stepping back; older ones make room. */
const KEEP_BEHIND_S = 60;
/** Seconds of video that are decoded ahead; what comes earlier waits as it came, which is smaller. */
const MAX_AHEAD_S = 120;

/** The WebSocket of a session's video and its format. */
export interface Source {
  address: string;
  mimeType: string;
}

export interface PlayerEvents {
  /** The first frame is on the screen. */
  onFirstFrame?: () => void;
  /** `lost`: the connection ended without the server's word; another one would go on. */
  onError: (message: string, lost: boolean) => void;
}

class ConnectionLost extends Error {}

export interface PlayerOptions {
  /** Stay near the newest moment, as in a conversation. */
  live?: boolean;
  /** Go on at this moment, in seconds, as soon as it is there. */
  from?: number;
}

/** How a live video goes on that has so many seconds before it: a little faster after a stall, or from the newest moment on. */
export const followLive = (aheadSeconds: number, rate: number): { rate: number; skipSeconds: number } =>
  aheadSeconds > 2 ? { rate: 1, skipSeconds: aheadSeconds - 0.4 }
    : { rate: aheadSeconds > 0.6 || (rate > 1 && aheadSeconds > 0.4) ? 1.1 : 1, skipSeconds: 0 };

/** Starts at once; the returned function ends playback and frees everything. */
export function play(video: HTMLVideoElement, source: Source | Promise<Source>, events: PlayerEvents, { live = false, from = 0 }: PlayerOptions = {}): () => void {
  const abort = new AbortController();
  const media = new MediaSource();
  const objectUrl = URL.createObjectURL(media);
  // Before anything is awaited, else "sourceopen" could be missed.
  const opened = new Promise<void>((resolve) => media.addEventListener("sourceopen", () => resolve(), { once: true }));
  video.src = objectUrl;
  video.requestVideoFrameCallback(() => events.onFirstFrame?.());
  let wanted = from;

  const run = async (): Promise<void> => {
    const { address, mimeType } = await source;
    abort.signal.throwIfAborted();
    const pieces = receive(address, abort.signal);
    await opened;
    if (!MediaSource.isTypeSupported(mimeType)) throw new Error(`This browser cannot play ${mimeType}.`);
    const buffer = media.addSourceBuffer(mimeType);
    for await (const piece of pieces) {
      await append(buffer, piece, video, abort.signal);
      startAtFirstFrame(video, buffer);
      if (wanted > 0 && buffer.buffered.length > 0 && buffer.buffered.end(buffer.buffered.length - 1) > wanted) {
        video.currentTime = Math.max(wanted, buffer.buffered.start(0));
        wanted = 0;
      }
      if (live) stayNearNewest(video, buffer);
      await roomAhead(video, buffer, abort.signal);
    }
    if (media.readyState === "open") media.endOfStream();
  };
  run().catch((error: unknown) => {
    if (!abort.signal.aborted) events.onError(error instanceof Error ? error.message : String(error), error instanceof ConnectionLost);
  });

  return () => {
    abort.abort();
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(objectUrl);
  };
}

/** A socket's binary messages in order, until the server closes it. Throws if the connection is lost. Connects at once. */
function receive(address: string, signal: AbortSignal): AsyncGenerator<ArrayBuffer> {
  const waiting: ArrayBuffer[] = [];
  let wake = (): void => undefined;
  let closed: CloseEvent | null = null;
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (message: MessageEvent<ArrayBuffer>) => {
    waiting.push(message.data);
    wake();
  };
  socket.onclose = (event) => {
    closed = event;
    wake();
  };
  signal.addEventListener("abort", () => socket.close(), { once: true });

  return (async function* () {
    for (;;) {
      const piece = waiting.shift();
      if (piece) yield piece;
      else if (closed) break;
      else await new Promise<void>((resolve) => { wake = resolve; });
    }
    // 1006: no close frame came; 1005: one that says nothing. All else is the server's word, which the events bring too.
    if (!signal.aborted && [1005, 1006].includes((closed as CloseEvent).code)) throw new ConnectionLost("The connection to the video was lost. Reload the page to continue watching.");
  })();
}

const settled = (target: EventTarget, name: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
    target.addEventListener(name, () => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, { once: true });
  });

async function append(buffer: SourceBuffer, bytes: BufferSource, video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      buffer.appendBuffer(bytes);
      await settled(buffer, "updateend", signal);
      return;
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "QuotaExceededError")) throw error;
      const end = video.currentTime - KEEP_BEHIND_S / 4;
      if (end <= 0) {
        await settled(video, "timeupdate", signal);
        continue;
      }
      buffer.remove(0, end);
      await settled(buffer, "updateend", signal);
    }
  }
}

/** Who comes late gets the newest fragments only; the first of them does not begin at zero. */
function startAtFirstFrame(video: HTMLVideoElement, buffer: SourceBuffer): void {
  if (buffer.buffered.length > 0 && video.currentTime < buffer.buffered.start(0)) video.currentTime = buffer.buffered.start(0);
}

function stayNearNewest(video: HTMLVideoElement, buffer: SourceBuffer): void {
  if (buffer.buffered.length === 0) return;
  const { rate, skipSeconds } = followLive(buffer.buffered.end(buffer.buffered.length - 1) - video.currentTime, video.playbackRate);
  if (skipSeconds > 0) video.currentTime += skipSeconds;
  if (rate !== video.playbackRate) video.playbackRate = rate;
}

async function roomAhead(video: HTMLVideoElement, buffer: SourceBuffer, signal: AbortSignal): Promise<void> {
  const ahead = (): number => {
    const ranges = buffer.buffered;
    return ranges.length > 0 ? ranges.end(ranges.length - 1) - video.currentTime : 0;
  };
  while (ahead() > MAX_AHEAD_S) await settled(video, "timeupdate", signal);
  if (video.currentTime > 2 * KEEP_BEHIND_S && buffer.buffered.length > 0 && buffer.buffered.start(0) < video.currentTime - 2 * KEEP_BEHIND_S) {
    buffer.remove(0, video.currentTime - KEEP_BEHIND_S);
    await settled(buffer, "updateend", signal);
  }
}
