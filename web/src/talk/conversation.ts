// A portrait that talks, live: speech goes out over a WebSocket, pictures and their speech come back every 40 ms. The
// speech is scheduled on an AudioContext's clock and each picture is drawn when its speech is heard, so both stay together
// however unevenly they arrive.
import { LagMeter } from "./lag";
import { type Packet, SPEECH_HZ, peak } from "./packets";
import { openSpeechSocket } from "./speech_socket";

/** Between arrival and sound, after a gap: what evens out the network. */
const CUSHION_S = 0.06;
/** With more waiting than that, packets of silence are left out until it has become less. */
const MOST_WAITING_S = 0.25;
const MOST_PICTURES = 100;
const SILENCE = 0.005;

export interface Figures {
  /** From speaking to hearing, the newest measurement. */
  lagSeconds: number | null;
  /** From the start of the conversation to the first picture on the screen. */
  firstPictureSeconds: number | null;
  /** Different pictures that were drawn. */
  pictures: number;
}

export interface Conversation {
  /** What comes next of the speech, one channel at 16 kHz. */
  speak: (samples: Float32Array) => void;
  /** Nothing more for now: what does not fill a packet goes out with silence. */
  pause: () => void;
  mute: (muted: boolean) => void;
  end: () => void;
}

interface Events {
  onFigures: (figures: Figures) => void;
  /** null: as it should be. */
  onEnd: (reason: string | null) => void;
}

interface DuePicture {
  at: number;
  bitmap: Promise<ImageBitmap>;
  isNew: boolean;
}

/** To be called from a click: browsers play no sound otherwise. `address` as the server gave it, once it has. */
export function converse(canvas: HTMLCanvasElement, address: Promise<string>, events: Events): Conversation {
  const begun = performance.now();
  const context = new AudioContext({ sampleRate: SPEECH_HZ, latencyHint: "interactive" });
  const volume = new GainNode(context);
  volume.connect(context.destination);
  const lag = new LagMeter();
  const figures: Figures = { lagSeconds: null, firstPictureSeconds: null, pictures: 0 };
  let ended = false;

  // ---- in ----
  const pictures: DuePicture[] = [];
  let next = 0;  // when the next packet of speech is due, on the context's clock
  let newest: Uint8Array<ArrayBuffer> | null = null;
  let waiting: { jpeg: Uint8Array<ArrayBuffer>; isNew: boolean } | null = null;
  const play = (samples: Float32Array<ArrayBuffer>): void => {
    const now = context.currentTime;
    const picture = waiting;
    waiting = null;
    const loudest = peak(samples);
    if (next - now > MOST_WAITING_S && loudest < SILENCE) return;
    if (next < now) next = now + CUSHION_S;
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: SPEECH_HZ });
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(volume);
    source.start(next);
    const measured = lag.played(loudest, performance.now() / 1000 + next - now + (context.outputLatency || 0));
    if (measured !== null) figures.lagSeconds = measured;
    if (picture) pictures.push({ at: next, isNew: picture.isNew, bitmap: createImageBitmap(new Blob([picture.jpeg], { type: "image/jpeg" })) });
    if (pictures.length > MOST_PICTURES) pictures.shift();
    next += samples.length / SPEECH_HZ;
  };
  const receive = (packet: Packet): void => {
    if (packet.type === "speech") play(packet.samples);
    else {
      waiting = { jpeg: packet.jpeg, isNew: newest === null || !same(newest, packet.jpeg) };
      newest = packet.jpeg;
    }
  };

  let frame = 0;
  const draw = (): void => {
    frame = requestAnimationFrame(draw);
    const heard = context.currentTime - (context.outputLatency || 0);
    let due: DuePicture | null = null;
    while (pictures.length > 0 && pictures[0]!.at <= heard) {
      due = pictures.shift()!;
      if (due.isNew) ++figures.pictures;
    }
    if (!due) return;
    void due.bitmap.then((bitmap) => {
      if (ended) return;
      if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
      if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
      canvas.getContext("2d")!.drawImage(bitmap, 0, 0);
      bitmap.close();
      figures.firstPictureSeconds ??= (performance.now() - begun) / 1000;
      events.onFigures({ ...figures });
    }, () => undefined);
  };
  frame = requestAnimationFrame(draw);

  // ---- the connection ----
  const finish = (reason: string | null): void => {
    if (ended) return;
    ended = true;
    cancelAnimationFrame(frame);
    socket.close();
    void context.close();
    events.onEnd(reason);
  };
  const socket = openSpeechSocket(address, {
    onPacket: receive,
    onSpoken: (samples) => lag.sent(peak(samples), performance.now() / 1000),
    onEnd: finish,
  });

  return {
    speak: socket.speak,
    pause: () => {
      socket.pause();
      lag.paused();
    },
    mute: (muted) => { volume.gain.value = muted ? 0 : 1; },
    end: () => finish(null),
  };
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
