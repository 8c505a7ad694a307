// A client of a server's predictions for programs and pages of others, in a browser or in Node from version 22 on: a picture and
// a question go in, words and frames come back as they are made. It imports nothing.

const DEFAULT_SERVER = "http://localhost:8000";
/** Before the JPEG of a binary message: index and number of frames, uint32 each, big-endian. */
const FRAME_HEADER = 8;

/** A request that the server refused, or a connection that did not end well. */
export class PredictionError extends Error {
  /** `code`: as the server names it (BUSY, INVALID_IMAGE); `status`: of HTTP, or a WebSocket's close code; `retryAfter`: seconds. */
  constructor(readonly detail: string, readonly code: string | null = null, readonly status: number | null = null, readonly retryAfter: number | null = null) {
    super(code === null ? detail : `${code}: ${detail}`);
    this.name = "PredictionError";
  }
}

/** A JPEG, PNG or WebP. */
export type Picture = Blob | Uint8Array<ArrayBuffer>;

export type Preset = "256" | "512" | "768";

export interface PredictOptions {
  serverUrl?: string;
  /** For servers that require a token. */
  token?: string;
  /** Its name, where the server has several. */
  model?: string;
  /** Size and length of the video. */
  preset?: Preset;
  num_frames?: number;
  fps?: number;
  seed?: number;
  /** One half alone: to make again what has failed. */
  tracks?: "both" | "text" | "video";
  /** Ask to be told how far the video is, with a look at it every so many denoising steps; 0: without looks. */
  previews?: number;
  /** Of the same conversation, oldest first; the picture that is asked about begins the video. */
  earlierPictures?: Picture[];
  /** Told what may disappoint, as a size that the model was not trained for: a sentence for people. */
  onWarning?: (warning: string) => void;
  /** Aborted: the prediction is cancelled; its last events say what there is of it. */
  signal?: AbortSignal;
  /** Where none is built in: WebSocket of the package `ws`. */
  Socket?: typeof WebSocket;
}

export type PredictionEvent =
  | { type: "thinking_start" }
  /** `done`: the text is complete. */
  | { type: "text_chunk"; content: string; done?: true }
  | { type: "video_frame"; frame_index: number; total_frames: number; jpeg: Uint8Array<ArrayBuffer> }
  | { type: "video_progress"; step: number; steps: number; preview: { frame_index: number; jpeg: Uint8Array<ArrayBuffer> } | null }
  | { type: "video_complete"; video_url: string }
  | { type: "error"; source: "text" | "video"; message: string; code: string }
  | { type: "thinking_complete"; text: string; video_url: string | null };

/**
 * The events of a new prediction, as they come; the last one is thinking_complete. Who leaves the loop before cancels it.
 * A half that fails is an event; a refusal is a PredictionError.
 */
export async function* predict(picture: Picture, prompt = "", options: PredictOptions = {}): AsyncGenerator<PredictionEvent, void> {
  yield* follow(await begin(picture, prompt, options), options);
}

/** Starts a prediction, and tells by which name it can be followed. */
export async function begin(picture: Picture, prompt = "", options: PredictOptions = {}): Promise<string> {
  const { serverUrl = DEFAULT_SERVER, token, earlierPictures = [], model, preset, num_frames, fps, seed, tracks, previews } = options;
  const earlier_images = await Promise.all(earlierPictures.map(base64));
  const answer = await fetch(`${serverUrl.replace(/\/+$/, "")}/api/predict`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify({
      image: await base64(picture), ...(prompt === "" ? {} : { prompt }), model, preset, num_frames, fps, seed, tracks, previews,
      ...(earlier_images.length > 0 && { earlier_images }),
    }),
  });
  if (!answer.ok) throw await refusal(answer);
  const { session_id, warnings = [] } = await answer.json() as { session_id: string; warnings?: string[] };
  for (const warning of warnings) options.onWarning?.(warning);
  return session_id;
}

/** The events of a prediction from its beginning, also of one that somebody else has asked for. */
export async function* follow(sessionId: string, options: Pick<PredictOptions, "serverUrl" | "token" | "Socket" | "signal"> = {}): AsyncGenerator<PredictionEvent, void> {
  const server = (options.serverUrl ?? DEFAULT_SERVER).replace(/\/+$/, "");
  const Socket = options.Socket ?? globalThis.WebSocket;
  if (!Socket) throw new Error("There is no WebSocket in this environment: Node has one from version 22 on; with an older version, give the one of the package ws.");
  const address = new URL(`${server.replace(/^http/, "ws")}/api/ws/${encodeURIComponent(sessionId)}`);
  address.searchParams.set("frames", "binary");
  if (options.token !== undefined) address.searchParams.set("token", options.token);
  const socket = new Socket(address);
  socket.binaryType = "arraybuffer";
  const waiting: (PredictionEvent | PredictionError)[] = [];
  let wake = (): void => undefined;
  const add = (event: PredictionEvent | PredictionError): void => { waiting.push(event); wake(); };
  socket.onmessage = ({ data }) => add(readEvent(data as string | ArrayBuffer, server));
  socket.onclose = ({ code, reason }) => add(new PredictionError(reason || "the connection was lost", null, code));
  let over = false;
  const cancel = (): void => { if (socket.readyState === 1) socket.send(JSON.stringify({ type: "cancel" })); };
  socket.onopen = () => { if (options.signal?.aborted) cancel(); };
  options.signal?.addEventListener("abort", cancel);
  try {
    while (!over) {
      const next = waiting.shift();
      if (next === undefined) await new Promise<void>((came) => { wake = came; });
      else if (next instanceof PredictionError) { over = true; throw next; }
      else { over = next.type === "thinking_complete"; yield next; }
    }
  } finally {
    options.signal?.removeEventListener("abort", cancel);
    if (!over) cancel();
    socket.close();
  }
}

/** A message of the WebSocket; addresses become whole ones. */
export function readEvent(message: string | ArrayBuffer, server: string): PredictionEvent {
  if (typeof message !== "string") {
    const header = new DataView(message);
    return { type: "video_frame", frame_index: header.getUint32(0), total_frames: header.getUint32(4), jpeg: new Uint8Array(message.slice(FRAME_HEADER)) };
  }
  const { data, frame_index = 0, ...event } = JSON.parse(message) as PredictionEvent & { data?: string; frame_index?: number };
  if (event.type === "video_progress") return { ...event, preview: data === undefined ? null : { frame_index, jpeg: fromBase64(data) } };
  if ("video_url" in event && event.video_url !== null) event.video_url = server + event.video_url;
  return event as PredictionEvent;
}

async function refusal(answer: Response): Promise<PredictionError> {
  const text = await answer.text();
  const after = answer.headers.get("Retry-After");
  const error = (message: string, code: string | null = null): PredictionError => new PredictionError(message, code, answer.status, after === null ? null : Number(after));
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    if (Array.isArray(detail)) return error(detail.map(({ loc, msg }: { loc: unknown[]; msg: string }) => [loc.slice(1).join("."), msg].filter((part) => part !== "").join(": ")).join("; "));
    if (typeof detail === "string") return error(detail);
    if (detail !== null && typeof detail === "object") {
      const { error: message, code } = detail as { error: string; code: string };
      return error(message, code);
    }
  } catch { /* no JSON: its text says what there is to say */ }
  return error(text || answer.statusText);
}

async function base64(picture: Picture): Promise<string> {
  const bytes = picture instanceof Blob ? new Uint8Array(await picture.arrayBuffer()) : picture;
  let text = "";
  for (let from = 0; from < bytes.length; from += 0x8000) text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  return btoa(text);
}

const fromBase64 = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
