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

export interface PredictOptions {
  serverUrl?: string;
  /** For servers that require a token. */
  token?: string;
  /** Size and length of the video. */
  preset?: "256" | "512" | "768";
  num_frames?: number;
  fps?: number;
  seed?: number;
  /** Where none is built in: WebSocket of the package `ws`. */
  Socket?: typeof WebSocket;
}

export type PredictionEvent =
  | { type: "thinking_start" }
  | { type: "text_chunk"; content: string }
  | { type: "video_frame"; frame_index: number; total_frames: number; jpeg: Uint8Array<ArrayBuffer> }
  | { type: "video_complete"; video_url: string }
  | { type: "error"; source: "text" | "video"; message: string; code: string }
  | { type: "thinking_complete"; text: string; video_url: string | null };

/**
 * The events of a new prediction, as they come; the last one is thinking_complete. Who leaves the loop before cancels it.
 * `picture`: a JPEG, PNG or WebP. A half that fails is an event; a refusal is a PredictionError.
 */
export async function* predict(picture: Blob | Uint8Array<ArrayBuffer>, prompt = "", options: PredictOptions = {}): AsyncGenerator<PredictionEvent, void> {
  const { serverUrl = DEFAULT_SERVER, token, Socket, ...wanted } = options;
  const server = serverUrl.replace(/\/+$/, "");
  const bytes = picture instanceof Blob ? new Uint8Array(await picture.arrayBuffer()) : picture;
  const answer = await fetch(`${server}/api/predict`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ image: base64(bytes), ...(prompt === "" ? {} : { prompt }), ...wanted }),
  });
  if (!answer.ok) throw await refusal(answer);
  const { session_id } = await answer.json() as { session_id: string };
  yield* follow(session_id, { serverUrl: server, ...(token === undefined ? {} : { token }), ...(Socket ? { Socket } : {}) });
}

/** The events of a prediction from its beginning, also of one that somebody else has asked for. */
export async function* follow(sessionId: string, options: Pick<PredictOptions, "serverUrl" | "token" | "Socket"> = {}): AsyncGenerator<PredictionEvent, void> {
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
  try {
    while (!over) {
      const next = waiting.shift();
      if (next === undefined) await new Promise<void>((came) => { wake = came; });
      else if (next instanceof PredictionError) { over = true; throw next; }
      else { over = next.type === "thinking_complete"; yield next; }
    }
  } finally {
    if (!over && socket.readyState === 1) socket.send(JSON.stringify({ type: "cancel" }));
    socket.close();
  }
}

/** A message of the WebSocket; addresses become whole ones. */
export function readEvent(message: string | ArrayBuffer, server: string): PredictionEvent {
  if (typeof message !== "string") {
    const header = new DataView(message);
    return { type: "video_frame", frame_index: header.getUint32(0), total_frames: header.getUint32(4), jpeg: new Uint8Array(message.slice(FRAME_HEADER)) };
  }
  const event = JSON.parse(message) as PredictionEvent;
  if ("video_url" in event && event.video_url !== null) event.video_url = server + event.video_url;
  return event;
}

async function refusal(answer: Response): Promise<PredictionError> {
  const text = await answer.text();
  const after = answer.headers.get("Retry-After");
  const error = (message: string, code: string | null = null): PredictionError => new PredictionError(message, code, answer.status, after === null ? null : Number(after));
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    if (Array.isArray(detail)) return error(detail.map(({ loc, msg }: { loc: unknown[]; msg: string }) => `${loc.slice(1).join(".")}: ${msg}`).join("; "));
    if (typeof detail === "string") return error(detail);
    if (detail !== null && typeof detail === "object") {
      const { error: message, code } = detail as { error: string; code: string };
      return error(message, code);
    }
  } catch { /* no JSON: its text says what there is to say */ }
  return error(text || answer.statusText);
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let from = 0; from < bytes.length; from += 0x8000) text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  return btoa(text);
}
