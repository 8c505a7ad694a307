// The server's JSON, turned into the page's values once. Nothing else in the page knows how it is spelled.
import { ServerError, answerOf, call, reach, rootUrl, socketUrl, url } from "./connection";
import type { ForkRequest } from "./continuing";
import { dataUrl } from "./files";
import { withSeed } from "./seeds";
import type { Size, TrainedFor } from "./sizes";
import { type QueuePlace, type Session, type SessionEvent, type SessionState, type VideoFormat, hasEnded, promptLine } from "./state";

export type Pacing = "asap" | "realtime";
export { server } from "./connection";

export interface GenerationRequest extends Partial<Size> {
  prompt: string;
  segments: number;
  /** In digits: 64 bits are more than a number of JavaScript holds. */
  seed: string;
  /** As fast as it is watched, with a small lead; or as fast as the model can. */
  pacing: Pacing;
  /** The first frame: a picture file as `data:` address. */
  image?: string;
  /** Without it the server's default. */
  model?: string;
  /** Of the model, by their names; without one as the model has it. */
  options?: OptionValues;
}

/** A file to try a model with. */
export interface Example {
  name: string;
  url: string;
}

/** An option as a form shows it. Sliders are for what may change while a session runs. */
export interface Control {
  name: string;
  doc: string;
  kind: "slider" | "number" | "choice" | "switch" | "text";
  /** Of a slider or a number; it moves in whole numbers, or in steps that suit its range. */
  least: number;
  most: number;
  whole: boolean;
  /** Of a choice. */
  choices: string[];
  /** null: follows from something else. */
  standard: OptionValue | null;
}
export type OptionValue = number | string | boolean;
export type OptionValues = Record<string, OptionValue>;

export interface ModelInfo {
  name: string;
  description: string;
  isDefault: boolean;
  state: "unloaded" | "loading" | "loaded" | "failed";
  /** Why it could not be loaded, for people; empty: that has not been tried, or it could. */
  failure: string;
  /** Makes videos of prompts. */
  takesPrompts: boolean;
  /** Speaks what it hears: a talking head. */
  hears: boolean;
  /** Says in words what is in a picture and what will happen. */
  answers: boolean;
  /** Cannot do without a picture; else words alone make one. */
  needsImage: boolean;
  makesVideo: boolean;
  /** By the names that requests have for them. */
  options: ReadonlySet<string>;
  /** Sizes and lengths that have a name. */
  /** Of a conversation's pictures the newest alone. */
  readsOnePicture: boolean;
  /** A video's face moves its picture. */
  isDriven: boolean;
  presets: string[];
  /** null: nothing is known. */
  trainedFor: TrainedFor | null;
  /** Words and phrases that it was trained with; empty: nothing is known. */
  words: string[];
  /** Denoising steps of a video; 0: nobody can tell. */
  steps: number;
  /** What may change while a session runs, in the order in which the model names it. */
  controls: Control[];
  /** What is fixed when a session begins, likewise. */
  settings: Control[];
  portraits: Example[];
  speech: Example[];
}

type Modality = "text" | "image" | "audio" | "video";
interface WireModel {
  name: string; description: string; default: boolean; state: ModelInfo["state"]; error: string | null;
  capabilities: { takes: Modality[]; needs: Modality[]; feeds: Modality[]; yields: Modality[] } | null;
  options: WireOption[] | null;
  trained_for: TrainedFor | null;
  words?: string[];
  examples: { images: Example[]; audio: Example[] } | null;
}

interface WireOption {
  name: string; type: "boolean" | "integer" | "number" | "text" | "choice" | "numbers"; doc: string; live?: boolean; json?: boolean;
  default: OptionValue | number[] | null;
  least?: number; most?: number; choices?: string[];
}

interface WireFormat {
  width: number; height: number; fps: number; segments: number; blocks_per_segment: number; blocks_per_later_segment: number;
  video_frames: number | null;
  audio_hz?: number;
  mime_type: string;
}
interface WireQueue { position: number; wait_s: number | null }
interface WireSession {
  id: string; model: string; state: SessionState; prompt: string; prompts: string[]; seed: string; format: WireFormat;
  ignored: { field: string; reason: string }[];
  warnings: string[];
  max_lead_s: number | null; origin: { kind: "fork" | "remix"; session: string } | null;
  error?: { message: string } | null;
  created: string;
  done: { video_frames: number };
  forks: { least_blocks: number | null; most_blocks: number | null; least_kept: number | null; no_replay: string | null };
  replay_blocks: number; replayed_blocks: number;
  queue: WireQueue | null;
  /** null: it takes no speech. */
  speech: object | null;
  /** Of a portrait: its faces as x1, y1, x2, y2 in pixels of the image. */
  image: { width: number; faces?: [number, number, number, number][] } | null;
}
type WireEvent = { sequence: number; at_s: number } & (
  | { type: "block_progress"; segment: number; block: number; step: number; steps: number }
  | { type: "frame_block"; segment: number; block: number; first_video_frame: number; video_frames: number; prompt: string;
      times_ms: { text: number; denoise: number; decode: number } }
  | { type: "prompt_applied"; segment: number; block: number; prompt: string }
  | { type: "utterance_ended" }
  | ({ type: "queue" } & WireQueue)
  | { type: "text_chunk"; text: string; last: boolean }
  | { type: "state"; state: SessionState; reason?: string; error?: { message: string } | null }
);

/** null: an option that no control can show. */
const toControl = (o: WireOption): Control | null => {
  const { least = 0, most = 0, choices = [] } = o;
  const kind = o.type === "boolean" ? "switch" : choices.length > 0 ? "choice" : (o.type === "number" || o.type === "integer") && most > least ? (o.live ? "slider" : "number")
    : o.type === "text" && !o.live && !o.json ? "text" : null;
  if (!kind) return null;
  const standard = Array.isArray(o.default) ? null : o.default;
  return { name: o.name, doc: o.doc, kind, least, most, whole: o.type === "integer", choices, standard };
};

/** Of requests to every model, so that no model lists it. */
const FPS: WireOption = { name: "fps", type: "number", doc: "video frames per second", default: null, least: 1, most: 240 };

export const toModel = (m: WireModel): ModelInfo => {
  const here = ({ name, url: path }: Example): Example => ({ name, url: rootUrl(path) });
  const { takes = [], needs = [], feeds = [], yields = [] } = m.capabilities ?? {};
  const option = (name: string): WireOption | undefined => m.options?.find((each) => each.name === name);
  const steps = option("steps")?.default;
  return {
    name: m.name, description: m.description, isDefault: m.default, state: m.state, failure: m.error ?? "",
    takesPrompts: takes.includes("text"), hears: feeds.includes("audio"), needsImage: needs.includes("image"),
    isDriven: feeds.includes("audio") && needs.includes("image") && takes.includes("video"),
    answers: takes.includes("image") && yields.includes("text"), makesVideo: yields.includes("video"),
    presets: option("preset")?.choices ?? [], trainedFor: m.trained_for ?? null, words: m.words ?? [], readsOnePicture: option("pictures")?.default === 1, steps: typeof steps === "number" ? steps : 0,
    options: new Set(m.options?.map((option) => option.name)),
    controls: (m.options ?? []).filter((option) => option.live).map(toControl).filter((control) => control !== null),
    settings: [...(yields.includes("video") ? [FPS] : []), ...(m.options ?? [])].filter((option) => !option.live).map(toControl).filter((control) => control !== null),
    portraits: (m.examples?.images ?? []).map(here), speech: (m.examples?.audio ?? []).map(here),
  };
};

const toFormat = (f: WireFormat): VideoFormat => ({
  width: f.width, height: f.height, fps: f.fps, segments: f.segments, blocksPerSegment: f.blocks_per_segment,
  blocksPerLaterSegment: f.blocks_per_later_segment, videoFrames: f.video_frames ?? null, hasSound: (f.audio_hz ?? 0) > 0,
});

const toQueue = (q: WireQueue): QueuePlace => ({ position: q.position, waitSeconds: q.wait_s });

const toSession = (s: WireSession): Session => ({
  id: s.id, model: s.model, state: s.state, queue: s.queue && toQueue(s.queue), reason: s.error?.message ?? "", format: toFormat(s.format), mimeType: s.format.mime_type,
  prompt: s.prompt || (s.prompts[0] ?? ""), firstPrompt: promptLine(s.prompts), seed: s.seed, ignored: s.ignored, warnings: s.warnings, forkedFrom: s.origin?.kind === "fork" ? s.origin.session : null, realTime: s.max_lead_s !== null,
  forks: { least: s.forks.least_blocks, most: s.forks.most_blocks, leastKept: s.forks.least_kept, noReplay: s.forks.no_replay }, replayBlocks: s.replay_blocks, replayedBlocks: s.replayed_blocks,
  createdAt: Date.parse(s.created), madeFrames: s.done.video_frames, pendingPrompt: null, text: "", blocks: [], followed: false, lastSequence: -1, firstFrameShownMs: null,
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
    case "queue": return { ...when, type: e.type, place: toQueue(e) };
    case "utterance_ended": return { ...when, type: e.type };
    case "text_chunk": return { ...when, type: e.type, text: e.text };
    case "state": return { ...when, type: e.type, state: e.state, reason: e.error?.message ?? e.reason ?? "" };
    default: return null;
  }
};

/** Of a prediction, by its session there. */
export const predictionVideoUrl = (session: string): string => rootUrl(`api/videos/${session}.mp4`);

/** The file, complete when the session has ended. */
export const videoUrl = (id: string): string => url(`sessions/${id}/video.mp4`);

/** The same as it grows, as messages of a WebSocket. */
export const liveVideoUrl = (id: string): string => socketUrl(`sessions/${id}/video`);

/** A WebSocket for speech as 16-bit PCM of one channel. */
export const speechUrl = (id: string, rate: number): string => socketUrl(`sessions/${id}/audio?rate=${rate}`);

export const createSession = async ({ options, ...request }: GenerationRequest): Promise<Session> =>
  toSession(await call<WireSession>("POST", "sessions", { ...request, ...options }, withSeed));

/** Newest first, without talking heads: those belong to whoever speaks to them. */
export const listSessions = async (): Promise<Session[]> =>
  (await call<{ sessions: WireSession[] }>("GET", "sessions")).sessions.filter((session) => !session.speech).map(toSession).reverse();

export const models = async (): Promise<ModelInfo[]> => (await call<{ models: WireModel[] }>("GET", "models")).models.map(toModel);

export const sendPrompt = (id: string, prompt: string): Promise<unknown> => call("POST", `sessions/${id}/prompt`, { prompt });

/** Live options of its model, from the next frame on. */
export const setOptions = (id: string, options: OptionValues): Promise<unknown> => call("POST", `sessions/${id}/options`, options);

export const setPacing = (id: string, pacing: Pacing): Promise<unknown> => call("POST", `sessions/${id}/pacing`, { pacing });

/** A new session that begins with blocks of this one. */
export const fork = async (id: string, how: ForkRequest): Promise<Session> => toSession(await call<WireSession>("POST", `sessions/${id}/fork`, how));

export const stop = (id: string): Promise<unknown> => call("POST", `sessions/${id}/stop`);

/** Ends the session if it runs, and removes its recording. */
export const remove = (id: string): Promise<unknown> => call("DELETE", `sessions/${id}`);

export const pause = (id: string): Promise<unknown> => call("POST", `sessions/${id}/pause`);

export const resume = (id: string): Promise<unknown> => call("POST", `sessions/${id}/resume`);

/**
 * Follows a session's events until it has ended or the returned function is called. A lost connection is made again,
 * with growing pauses; the events then come from the start, which the reducer allows for. `onLost`: it was tried too often.
 */
export function followEvents(id: string, onEvent: (event: SessionEvent) => void, onLost?: () => void): () => void {
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
      if (closed || ended) return;
      if (++attempts > 6) return onLost?.();
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

/** The file behind an example. */
export const exampleFile = async (example: Example): Promise<File> => {
  const response = await reach(example.url, {});
  if (!response.ok) throw new Error(`The example ${example.name} cannot be loaded: the server answered with ${response.status}.`);
  const content = await response.blob();
  return new File([content], new URL(example.url).pathname.split("/").pop()!, { type: content.type });
};

export interface Portrait {
  /** Of the video; null: as the model has it, or as the picture's proportions choose it. */
  size: Size | null;
  /** null: the model makes one, of the words if there are any. */
  file: File | null;
  /** What is to be seen, for models that take words; empty: it is not said. */
  prompt: string;
  /** Show the face's square; else the whole picture. */
  crop: boolean;
  /** Which of the image's faces talks: an index of PortraitSession.faces. */
  face: number;
}

/** A session of a portrait that waits for speech. */
export interface PortraitSession {
  session: Session;
  id: string;
  mimeType: string;
  /** Where the middle of each face is in the image, from 0 (left) to 1 (right); the first one talks by default. */
  faces: number[];
}

/** `set`: controls as they stand. `chunkSeconds`: of speech that become motion at once; without it as the model has it. */
export const createPortrait = async (model: ModelInfo, { file, prompt, crop, face, size }: Portrait, set: OptionValues = {}, chunkSeconds?: number): Promise<PortraitSession> => {
  const wanted: [string, unknown][] = [["crop", crop], ["face", face > 0 ? face : undefined], ["chunk_duration", chunkSeconds]];
  const options = Object.fromEntries(wanted.filter(([name, value]) => value !== undefined && model.options.has(name)));
  const given = { ...(file && { image: await dataUrl(file) }), ...(model.takesPrompts && prompt.trim() !== "" && { prompt: prompt.trim() }) };
  const session = await call<WireSession>("POST", "sessions", { model: model.name, ...given, ...size, ...set, ...options });
  const { image } = session;
  return { session: toSession(session), id: session.id, mimeType: session.format.mime_type, faces: (image?.faces ?? []).map(([left, , right]) => (left + right) / 2 / image!.width) };
};

/** All of a sound file as an MP4. */
export const talkVideo = async (model: ModelInfo, portrait: Portrait, sound: File, set: OptionValues = {}): Promise<Blob> => {
  const { id } = await createPortrait(model, portrait, set);
  try {
    await answerOf("POST", `sessions/${id}/audio?end=true`, { body: sound });
    await spoken(id);
    await stop(id);
    return await (await answerOf("GET", `sessions/${id}/recording.mp4`)).blob();
  } finally {
    void remove(id).catch(() => undefined);
  }
};

/** Of a call that answers with a file, beside the API of sessions: there the reason has another name. */
const fileOf = async (path: string, fields: Record<string, string | Blob>): Promise<Blob> => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const response = await reach(rootUrl(path), { method: "POST", body: form });
  if (response.ok) return response.blob();
  const told = (await response.json().catch(() => null)) as { detail?: unknown } | null;
  throw new ServerError(typeof told?.detail === "string" ? told.detail : `The server answered with ${response.status} ${response.statusText}.`, response.status, "");
};

export type VoiceGender = "female" | "male";
/** Characters; the server takes 4,000 bytes. */
export const MOST_TEXT = 1000;

/** The text as sound. Throws ServerError, also where the server cannot speak. */
export const speechOf = async (text: string, gender: VoiceGender): Promise<File> =>
  new File([await fileOf("api/tts/generate", { text, voice_gender: gender })], "text.wav", { type: "audio/wav" });

/** The picture moves as the face in the video does: an MP4 with the video's length and sound. */
export const drivenVideo = (picture: File, video: File, crop: boolean, face: number): Promise<Blob> =>
  fileOf("api/video-driven", { image: picture, video, crop: String(crop), face: String(face) });

/** Waits until all speech up to the end of an utterance is video. Throws Error if the session ends before. */
const spoken = (id: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const leave = followEvents(id, (event) => {
      if (event.type === "utterance_ended") resolve();
      else if (event.type === "state" && hasEnded(event.state)) reject(new Error(event.reason || "The session ended before all speech was spoken."));
      else return;
      leave();
    }, () => reject(new Error("The connection to the server was lost.")));
  });
