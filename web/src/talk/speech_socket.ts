// The realtime WebSocket from a client's side: speech is cut into packets of 40 ms, packets come back. Needs nothing of a
// page, so that it runs wherever there is a WebSocket.
import { PACKET_SAMPLES, type Packet, readPacket, speechPacket } from "./packets";

/** Of speech before the connection stands. */
const MOST_UNSENT_PACKETS = 25;

export interface SpeechSocket {
  /** The next speech, one channel at 16 kHz. */
  speak: (samples: Float32Array) => void;
  /** Sends the remaining samples, filled up to one packet with silence. */
  pause: () => void;
  /** Ends it; `onEnd` is not called any more. */
  close: () => void;
}

export interface SpeechSocketEvents {
  onPacket: (packet: Packet) => void;
  /** 40 ms of speech that go out now. */
  onSpoken?: (samples: Float32Array) => void;
  /** Once, unless it was closed here. null: as it should be; else why. */
  onEnd: (reason: string | null) => void;
}

/** `address`: of the WebSocket, once there is one. `Socket` where none is built in: WebSocket of the package `ws`. */
export function openSpeechSocket(address: Promise<string>, events: SpeechSocketEvents, Socket: typeof WebSocket | undefined = globalThis.WebSocket): SpeechSocket {
  let socket: WebSocket | null = null;
  let ended = false;
  let unsent: ArrayBuffer[] = [];
  let partial = new Float32Array(PACKET_SAMPLES), filled = 0;

  const send = (samples: Float32Array): void => {
    events.onSpoken?.(samples);
    const packet = speechPacket(samples);
    if (socket?.readyState === 1) socket.send(packet);
    else unsent = [...unsent.slice(1 - MOST_UNSENT_PACKETS), packet];
  };
  const speak = (samples: Float32Array): void => {
    for (let from = 0; from < samples.length;) {
      const count = Math.min(PACKET_SAMPLES - filled, samples.length - from);
      partial.set(samples.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled < PACKET_SAMPLES) break;
      send(partial);
      partial = new Float32Array(PACKET_SAMPLES);
      filled = 0;
    }
  };
  const finish = (reason: string | null): void => {
    if (ended) return;
    ended = true;
    events.onEnd(reason);
  };

  address.then((found) => {
    if (ended) return;
    if (!Socket) throw new Error("There is no WebSocket in this environment: Node has one from version 22 on; with an older version, give the one of the package ws.");
    const opened = new Socket(found);
    socket = opened;
    opened.binaryType = "arraybuffer";
    opened.onopen = () => {
      for (const packet of unsent) opened.send(packet);
      unsent = [];
    };
    opened.onmessage = (message: MessageEvent<ArrayBuffer | string>) => {
      const packet = ended || typeof message.data === "string" ? null : readPacket(message.data);
      if (packet) events.onPacket(packet);
    };
    opened.onclose = (event) => finish(event.code === 1000 ? null : event.reason || "The connection to the talking head was lost.");
  }).catch((error: unknown) => finish(error instanceof Error ? error.message : String(error)));

  return {
    speak,
    pause: () => { if (filled > 0) speak(new Float32Array(PACKET_SAMPLES - filled)); },
    close: () => {
      ended = true;
      socket?.close(1000);
    },
  };
}
