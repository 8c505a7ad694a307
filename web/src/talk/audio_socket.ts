// Speech to a session as it is said: 16-bit PCM over the WebSocket `/v1/sessions/{id}/audio`.
import { writePcm } from "./packets";

/** Of speech from before the connection stands; older speech is left out. */
const MOST_UNSENT_SAMPLES = 16_000;

export interface AudioSocket {
  /** What comes next of the speech, one channel at the rate of the address. */
  speak: (samples: Float32Array) => void;
  /** Samples that went out. */
  readonly sent: number;
  /** Ends it; `onEnd` is not called any more. */
  close: () => void;
}

export interface AudioSocketEvents {
  onOpen?: () => void;
  /** Once, unless it was closed here. null: the session has ended; else why the connection has. */
  onEnd: (reason: string | null) => void;
}

/** `address`: of the WebSocket, once there is one. */
export function openAudioSocket(address: Promise<string>, events: AudioSocketEvents, Socket: typeof WebSocket = globalThis.WebSocket): AudioSocket {
  let socket: WebSocket | null = null;
  let ended = false;
  let unsent: Float32Array[] = [];
  let waiting = 0, sent = 0;

  const send = (to: WebSocket, samples: Float32Array): void => {
    const bytes = new ArrayBuffer(2 * samples.length);
    writePcm(new DataView(bytes), 0, samples);
    to.send(bytes);
    sent += samples.length;
  };
  const finish = (reason: string | null): void => {
    if (ended) return;
    ended = true;
    events.onEnd(reason);
  };

  address.then((found) => {
    if (ended) return;
    const opened = new Socket(found);
    socket = opened;
    opened.onopen = () => {
      for (const samples of unsent) send(opened, samples);
      unsent = [];
      events.onOpen?.();
    };
    opened.onclose = (event) => finish(event.code === 1000 ? null : event.reason || "The connection to the talking head was lost.");
  }).catch((error: unknown) => finish(error instanceof Error ? error.message : String(error)));

  return {
    speak: (samples) => {
      if (ended || samples.length === 0) return;
      if (socket?.readyState === 1) return send(socket, samples);
      unsent.push(samples.slice());
      waiting += samples.length;
      while (waiting > MOST_UNSENT_SAMPLES && unsent.length > 1) waiting -= unsent.shift()!.length;
    },
    get sent() { return sent; },
    close: () => {
      ended = true;
      socket?.close(1000);
    },
  };
}
