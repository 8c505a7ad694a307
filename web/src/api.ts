// The server's JSON, turned into the page's values once. Nothing else in the page knows how it is spelled.
import type { Session, SessionEvent, SessionState, VideoFormat } from "./state";

export interface GenerationRequest {
  prompt: string;
  segments: number;
  seed: number;
  /** Seconds that may be made ahead of the viewer. */
  max_lead?: number;
  /** The first frame: a picture file as `data:` address. */
  image?: string;
}

export interface ModelInfo {
  name: string;
  description: string;
}

interface WireFormat {
  width: number; height: number; fps: number; segments: number; blocks_per_segment: number; blocks_per_later_segment: number;
  video_frames: number | null;
  mime_type: string;
}
interface WireSession {
  id: string; state: SessionState; prompt: string; prompts: string[]; seed: number; format: WireFormat;
  max_lead_s: number | null; origin: { kind: "fork" | "remix"; session: string } | null;
  error?: { message: string } | null;
}
type WireEvent = { sequence: number; at_s: number } & (
  | { type: "block_progress"; segment: number; block: number; step: number; steps: number }
  | { type: "frame_block"; segment: number; block: number; first_video_frame: number; video_frames: number; prompt: string;
      times_ms: { text: number; denoise: number; decode: number } }
  | { type: "prompt_applied"; segment: number; block: number; prompt: string }
  | { type: "state"; state: SessionState; reason?: string; error?: { message: string } | null }
);

const toFormat = (f: WireFormat): VideoFormat => ({
  width: f.width, height: f.height, fps: f.fps, segments: f.segments, blocksPerSegment: f.blocks_per_segment,
  blocksPerLaterSegment: f.blocks_per_later_segment, videoFrames: f.video_frames ?? null,
});

const toSession = (s: WireSession): Session => ({
  id: s.id, state: s.state, reason: s.error?.message ?? "", format: toFormat(s.format), mimeType: s.format.mime_type,
  prompt: s.prompt || (s.prompts[0] ?? ""), firstPrompt: s.prompts.join("; "), seed: s.seed, forkedFrom: s.origin?.kind === "fork" ? s.origin.session : null, realTime: s.max_lead_s !== null,
  pendingPrompt: null, blocks: [], lastSequence: -1, firstFrameShownMs: null,
});

/** null for an event that this page does not know. */
export const toEvent = (e: WireEvent): SessionEvent | null => {
  const when = { sequence: e.sequence, at: e.at_s };
  switch (e.type) {
    case "block_progress": return { ...when, type: e.type, segment: e.segment, block: e.block, step: e.step, steps: e.steps };
    case "frame_block":
      return {
        ...when, type: e.type, segment: e.segment, block: e.block, firstVideoFrame: e.first_video_frame, videoFrames: e.video_frames,
        prompt: e.prompt, workSeconds: (e.times_ms.text + e.times_ms.denoise + e.times_ms.decode) / 1000,
      };
    case "prompt_applied": return { ...when, type: e.type, segment: e.segment, block: e.block, prompt: e.prompt };
    case "state": return { ...when, type: e.type, state: e.state, reason: e.error?.message ?? e.reason ?? "" };
    default: return null;
  }
};

/** What a server that asks for a token wants with each call; it comes in the page's own address. */
const token = new URLSearchParams(location.search).get("token");

// Relative, so that the page also works below a path of a reverse proxy. The token stands in the address because
// neither a WebSocket nor a download can carry a header.
const url = (path: string): string => rootUrl(`v1/${path}`);

const rootUrl = (path: string): string => {
  const address = new URL(path.replace(/^\//, ""), document.baseURI);
  if (token) address.searchParams.set("token", token);
  return address.href;
};

const socketUrl = (path: string): string => url(path).replace(/^http/, "ws");

/** The file, complete when the session has ended. */
export const videoUrl = (id: string): string => url(`sessions/${id}/video.mp4`);

/** The same as it grows, as messages of a WebSocket. */
export const liveVideoUrl = (id: string): string => socketUrl(`sessions/${id}/video`);

const reach = (address: string, init: RequestInit): Promise<Response> =>
  fetch(address, init).catch(() => {
    throw new Error("The server cannot be reached. Is `rushes serve` still running?");
  });

/** Throws Error with the server's own message. */
async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const response = await reach(url(path), init);
  const text = await response.text();
  let json: unknown = null;
  try {
    json = text ? JSON.parse(text) : null;
  } catch {
    // Not ours: a proxy's error page. The status says enough.
  }
  if (!response.ok) {
    const message = (json as { error?: { message?: string } } | null)?.error?.message;
    throw new Error(message ?? `The server answered ${response.status} ${response.statusText}.`);
  }
  return json as T;
}

export const createSession = async (request: GenerationRequest): Promise<Session> =>
  toSession(await call<WireSession>("POST", "sessions", request));

/** Newest first. */
export const listSessions = async (): Promise<Session[]> =>
  (await call<{ sessions: WireSession[] }>("GET", "sessions")).sessions.map(toSession).reverse();

export const models = async (): Promise<ModelInfo[]> => (await call<{ models: ModelInfo[] }>("GET", "models")).models;

export const sendPrompt = (id: string, prompt: string): Promise<unknown> => call("POST", `sessions/${id}/prompt`, { prompt });

export type Pacing = "asap" | "realtime";

export const setPacing = (id: string, pacing: Pacing): Promise<unknown> => call("POST", `sessions/${id}/pacing`, { pacing });

/** A new session that goes on from the next block border, under another prompt or the same. */
/** A new session that begins with the first `blocks` blocks of this one, or with all that there are. */
export const fork = async (id: string, prompt: string, blocks: number | null): Promise<Session> =>
  toSession(await call<WireSession>("POST", `sessions/${id}/fork`, { ...(prompt !== "" && { prompt }), ...(blocks !== null && { blocks }) }));

export const stop = (id: string): Promise<unknown> => call("POST", `sessions/${id}/stop`);

/** Ends the session if it runs, and removes its recording. */
export const remove = (id: string): Promise<unknown> => call("DELETE", `sessions/${id}`);

export const pause = (id: string): Promise<unknown> => call("POST", `sessions/${id}/pause`);

export const resume = (id: string): Promise<unknown> => call("POST", `sessions/${id}/resume`);

/**
 * Follows a session's events until it has ended or the returned function is called. A lost connection is made again,
 * with growing pauses; the events then come from the start, which the reducer allows for.
 */
export function followEvents(id: string, onEvent: (event: SessionEvent) => void): () => void {
  const address = socketUrl(`sessions/${id}/events`);
  let closed = false, ended = false, attempts = 0;
  let socket: WebSocket | null = null;
  let timer = 0;
  const connect = (): void => {
    socket = new WebSocket(address);
    socket.onmessage = (message) => {
      attempts = 0;
      if (typeof message.data !== "string") return;
      const event = toEvent(JSON.parse(message.data) as WireEvent);
      if (!event) return;
      ended ||= event.type === "state" && ["finished", "stopped", "failed"].includes(event.state);
      onEvent(event);
    };
    socket.onclose = () => {
      if (closed || ended || ++attempts > 6) return;
      timer = window.setTimeout(connect, 250 * 2 ** attempts);
    };
  };
  connect();
  return () => {
    closed = true;
    window.clearTimeout(timer);
    socket?.close();
  };
}

// ---- talking heads ----

export interface TalkExample {
  name: string;
  url: string;
}

export interface TalkInfo {
  /** null: this server makes none. */
  model: ModelInfo | null;
  portraits: TalkExample[];
  speech: TalkExample[];
}

export const talkInfo = async (): Promise<TalkInfo> => {
  const info = await call<TalkInfo>("GET", "talk");
  const here = ({ name, url: path }: TalkExample): TalkExample => ({ name, url: rootUrl(path) });
  return { model: info.model, portraits: info.portraits.map(here), speech: info.speech.map(here) };
};

/** The file behind an example. */
export const exampleFile = async (example: TalkExample): Promise<File> => {
  const response = await reach(example.url, {});
  if (!response.ok) throw new Error(`The example ${example.name} is not there: the server answered ${response.status}.`);
  return new File([await response.blob()], new URL(example.url).pathname.split("/").pop()!);
};

async function postForm(path: string, fields: Record<string, string | File>): Promise<Response> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  const response = await reach(rootUrl(path), { method: "POST", body });
  if (response.ok) return response;
  const json = (await response.json().catch(() => null)) as { detail?: unknown } | null;
  throw new Error(typeof json?.detail === "string" ? json.detail : `The server answered ${response.status} ${response.statusText}.`);
}

export interface Portrait {
  file: File;
  /** Show the face's square; else the whole picture. */
  crop: boolean;
}

/** A portrait that waits for speech; the address of its WebSocket. */
export const beginTalk = async ({ file, crop }: Portrait): Promise<string> => {
  const answer = await postForm("api/realtime/init", { image: file, crop: String(crop) });
  const { websocket_url } = (await answer.json()) as { websocket_url: string };
  return rootUrl(websocket_url).replace(/^http/, "ws");
};

/** All of a sound file as an MP4. */
export const talkVideo = async ({ file, crop }: Portrait, sound: File): Promise<Blob> =>
  (await postForm("api/audio-driven", { image: file, audio: sound, crop: String(crop) })).blob();
