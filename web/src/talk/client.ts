// Clients of a server's talking heads for programs and pages of others, in a browser or in Node from version 18 on: speech
// in pieces that becomes HLS, and a conversation frame by frame. They use the protocol of IMTalker's stand-alone
// server (docs/talking_heads.md) and import only the files beside them.
import { SPEECH_HZ, writePcm } from "./packets";
import { type SpeechSocket, openSpeechSocket } from "./speech_socket";

const DEFAULT_SERVER = "http://localhost:9999";
const POLL_MS = 200;
/** Of a conversation that nobody looks at: 10 s. */
const MOST_WAITING_FRAMES = 250;

/** A request that the server refused, with the server's message. */
export class TalkError extends Error {
  /** `status`: HTTP status; null if a session failed later. */
  constructor(readonly detail: string, readonly status: number | null = null) {
    super(status === null ? detail : `${status}: ${detail}`);
    this.name = "TalkError";
  }
}

export interface ClientOptions {
  /** For servers that require a token. */
  token?: string;
}

export interface SessionOptions {
  /** Crop the image to the face. */
  crop?: boolean;
  seed?: number;
  /** Steps of the solver, 5 to 50. */
  nfe?: number;
  /** 1 to 5. */
  cfg_scale?: number;
  /** Seconds of speech that are converted to motion at once, 0.1 to 10. */
  chunk_duration?: number;
  /** Sampling rate of speech that is given as numbers. */
  audio_sample_rate?: number;
  /** A session with the same id is replaced; default: a new id. */
  session_id?: string;
  /** Pitch, yaw, roll. */
  pose_style?: readonly [number, number, number];
  gaze_style?: readonly [number, number];
  mode?: "aligned" | "reference";
}

export interface SessionInfo {
  status: string; session_id: string; message: string;
  /** Below the server's address. */
  hls_url: string;
  chunk_duration: number; audio_sample_rate: number;
}
export type SessionStatus = "waiting_for_audio" | "processing" | "complete" | "error";
export interface FeedReply {
  status: string; session_id: string; message: string;
  /** Samples received so far, at 16 kHz. */
  buffer_samples: number;
  /** Frames so far, without those of this piece. */
  frames_generated: number;
  session_status: SessionStatus;
}
export interface StatusReply {
  session_id: string; status: SessionStatus; total_frames_generated: number; buffer_samples: number; error: string | null;
  created_at: number; uptime_seconds: number;
}

/** An audio file of any kind, or numbers in [-1, 1] at the session's `audio_sample_rate`. */
export type Speech = Blob | ArrayBuffer | Uint8Array<ArrayBuffer> | Float32Array;

/** A WAV file of one channel, 16-bit PCM. */
export function wav(samples: Float32Array, sampleRate: number): Blob {
  const bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at: number, words: string): void => { for (let i = 0; i < words.length; ++i) bytes.setUint8(at + i, words.charCodeAt(i)); };
  text(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, sampleRate, true);
  bytes.setUint32(28, 2 * sampleRate, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  text(36, "data");
  bytes.setUint32(40, 2 * samples.length, true);
  writePcm(bytes, 44, samples);
  return new Blob([bytes.buffer], { type: "audio/wav" });
}

/** What an error's body says, whichever of the server's forms it has. */
function detailOf(body: string): string {
  let told: unknown;
  try {
    told = JSON.parse(body);
  } catch {
    return body.trim();
  }
  if (typeof told !== "object" || told === null) return body;
  const { detail, error } = told as { detail?: unknown; error?: unknown };
  if (Array.isArray(detail))
    return (detail as { loc?: unknown[]; msg?: string }[]).map((each) => `${(each.loc ?? []).slice(1).join(".")}: ${each.msg ?? ""}`).join("; ");
  if (typeof detail === "string") return detail;
  if (typeof error === "string") return error;
  const message = (error as { message?: unknown } | undefined)?.message;
  return typeof message === "string" ? message : body;
}

/** Where requests go. */
class Server {
  readonly #url: string;
  readonly #token: string | undefined;

  constructor(url: string, { token }: ClientOptions) {
    this.#url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  /** `path` may be a whole address. */
  address(path: string): string {
    return new URL(path, `${this.#url}/`).href;
  }

  /** A WebSocket cannot carry a header. */
  socketAddress(path: string): string {
    const address = new URL(this.address(path).replace(/^http/, "ws"));
    if (this.#token !== undefined) address.searchParams.set("token", this.#token);
    return address.href;
  }

  /** Throws TalkError for a refused request. */
  async open(method: string, path: string, body?: FormData): Promise<Response> {
    const response = await fetch(`${this.#url}${path}`, {
      method, ...(body && { body }), headers: this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` },
    });
    if (response.ok) return response;
    throw new TalkError(detailOf(await response.text()) || response.statusText, response.status);
  }

  async call<Reply>(method: string, path: string, body?: FormData): Promise<Reply> {
    return (await (await this.open(method, path, body)).json()) as Reply;
  }
}

const later = (milliseconds: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

/** One session of a talking head that receives speech in pieces while its video grows as HLS. */
export class ChunkedStreamingClient {
  sessionId: string | null = null;
  /** URL of the video, once there is a session. */
  hlsUrl: string | null = null;
  readonly #server: Server;
  #sampleRate = 24_000;

  constructor(readonly serverUrl = DEFAULT_SERVER, options: ClientOptions = {}) {
    this.#server = new Server(serverUrl, options);
  }

  /** Creates a session with this portrait. Throws TalkError with the server's message. */
  async initSession(imageFile: Blob, options: SessionOptions = {}): Promise<SessionInfo> {
    const { audio_sample_rate = 24_000 } = options;
    const form = new FormData();
    form.append("image", imageFile);
    const fields = { crop: true, seed: 42, nfe: 10, cfg_scale: 2, chunk_duration: 1, ...options, audio_sample_rate };
    for (const [name, value] of Object.entries(fields))
      if (value !== undefined && value !== null) form.append(name, Array.isArray(value) ? JSON.stringify(value) : String(value));
    const info = await this.#server.call<SessionInfo>("POST", "/api/audio-driven/chunked/init", form);
    this.sessionId = info.session_id;
    this.hlsUrl = this.#server.address(info.hls_url);
    this.#sampleRate = audio_sample_rate;
    return info;
  }

  /** Sends the next piece of speech; answered before any of it is spoken. TalkError 429: too much speech is waiting; the piece was not accepted. */
  async feedAudioChunk(audio: Speech, isFinal = false): Promise<FeedReply> {
    const form = new FormData();
    form.append("session_id", this.#session());
    form.append("audio_chunk", audio instanceof Float32Array ? wav(audio, this.#sampleRate) : audio instanceof Blob ? audio : new Blob([audio]), "chunk.wav");
    form.append("is_final_chunk", String(isFinal));
    return this.#server.call("POST", "/api/audio-driven/chunked/feed", form);
  }

  async getStatus(): Promise<StatusReply> {
    return this.#server.call("GET", `/api/audio-driven/chunked/status/${this.#path()}`);
  }

  /** Sends speech as it arrives, e.g. from an async generator; its end ends the video. */
  async streamAudio(chunks: AsyncIterable<Speech> | Iterable<Speech>): Promise<FeedReply> {
    for await (const chunk of chunks) await this.feedAudioChunk(chunk);
    return this.feedAudioChunk(new Float32Array(0), true);
  }

  /** Waits for the first segment of the video; returns its URL. */
  async waitUntilPlayable(): Promise<string> {
    while ((await this.#server.open("GET", `/api/hls/${this.#path()}/playlist.m3u8`)).status !== 200);
    return this.hlsUrl!;
  }

  /** Waits until the video of all speech is complete. Throws TalkError if the session failed. */
  async waitUntilComplete(): Promise<StatusReply> {
    for (;;) {
      const status = await this.getStatus();
      if (status.status === "complete") return status;
      if (status.status === "error") throw new TalkError(status.error ?? "the session failed");
      await later(POLL_MS);
    }
  }

  /** All of the video so far, as one MP4. */
  async download(): Promise<Blob> {
    return (await this.#server.open("GET", `/api/hls/${this.#path()}/download`)).blob();
  }

  /** Ends the session and removes its video from the server. Does nothing without a session. */
  async cleanup(): Promise<void> {
    if (this.sessionId === null) return;
    const path = `/api/audio-driven/chunked/session/${this.#path()}`;
    this.sessionId = this.hlsUrl = null;
    await this.#server.call("DELETE", path);
  }

  #session(): string {
    if (this.sessionId === null) throw new Error("There is no session; call initSession() first.");
    return this.sessionId;
  }

  #path(): string {
    return encodeURIComponent(this.#session());
  }
}

/** A frame and its 40 ms of speech. */
export interface TalkFrame {
  /** When the server sent it, in microseconds since 1970. */
  timeUs: number;
  jpeg: Uint8Array<ArrayBuffer>;
  /** At 16 kHz. */
  samples: Float32Array<ArrayBuffer>;
}

export interface RealtimeOptions extends ClientOptions {
  /** Needed where none is built in (Node before version 22): the WebSocket of the package `ws`. */
  WebSocket?: typeof WebSocket;
}

/**
 * A portrait that listens and talks: `speak` takes the next speech, and iterating over the client gives a frame with
 * its audio every 40 ms, from the beginning on.
 */
export class RealtimeClient {
  sessionId: string | null = null;
  readonly #server: Server;
  readonly #Socket: typeof WebSocket | undefined;
  #address: string | null = null;
  #socket: SpeechSocket | null = null;
  #frames: TalkFrame[] = [];
  #picture: Uint8Array<ArrayBuffer> | null = null;
  #ended = false;
  #failure: string | null = null;
  #wake: () => void = () => undefined;

  constructor(readonly serverUrl = DEFAULT_SERVER, options: RealtimeOptions = {}) {
    this.#server = new Server(serverUrl, options);
    this.#Socket = options.WebSocket ?? globalThis.WebSocket;
  }

  /** Creates a session with this portrait; returns its id. Throws TalkError with the server's message. */
  async initSession(imageFile: Blob, crop = true): Promise<string> {
    const form = new FormData();
    form.append("image", imageFile);
    form.append("crop", String(crop));
    const begun = await this.#server.call<{ session_id: string; websocket_url: string }>("POST", "/api/realtime/init", form);
    this.#address = this.#server.socketAddress(begun.websocket_url);
    return (this.sessionId = begun.session_id);
  }

  /** Begins the conversation; the other methods also begin it when necessary. A session can be connected only once. */
  connect(): this {
    this.#connection();
    return this;
  }

  /** Sends the next speech, one channel at 16 kHz, at the speed of the speech: the server keeps at most one second. */
  speak(samples: Float32Array): void {
    this.#connection().speak(samples);
  }

  /** Sends the remaining samples, filled up to 40 ms with silence. */
  pause(): void {
    this.#connection().pause();
  }

  /** Sends samples at the speed of playback; done when the last of them is sent. */
  async say(samples: Float32Array): Promise<void> {
    const begun = performance.now();
    for (let sent = 0; sent < samples.length && !this.#ended;) {
      const due = Math.min(samples.length, Math.ceil(((performance.now() - begun) / 1000) * SPEECH_HZ), sent + SPEECH_HZ / 2);
      this.speak(samples.subarray(sent, due));
      sent = Math.max(sent, due);
      await later(20);
    }
    if (!this.#ended) this.pause();
  }

  /** Ends the conversation, and with it the session. */
  close(): void {
    this.#socket?.close();
    this.#end(null);
  }

  /** Frames until the conversation ends; throws Error if it fails. Frames that are not read for 10 s are dropped. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TalkFrame> {
    this.#connection();
    for (;;) {
      const frame = this.#frames.shift();
      if (frame) yield frame;
      else if (this.#failure !== null) throw new Error(this.#failure);
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => { this.#wake = resolve; });
    }
  }

  #connection(): SpeechSocket {
    if (this.#address === null) throw new Error("There is no session; call initSession() first.");
    return (this.#socket ??= openSpeechSocket(Promise.resolve(this.#address), {
      onPacket: (packet) => {
        if (packet.type === "picture") this.#picture = packet.jpeg;
        else if (this.#picture) {
          this.#frames.push({ timeUs: packet.timeUs, jpeg: this.#picture, samples: packet.samples });
          if (this.#frames.length > MOST_WAITING_FRAMES) this.#frames.shift();
          this.#wake();
        }
      },
      onEnd: (reason) => this.#end(reason),
    }, this.#Socket));
  }

  #end(reason: string | null): void {
    this.#ended = true;
    this.#failure ??= reason;
    this.#wake();
  }
}
