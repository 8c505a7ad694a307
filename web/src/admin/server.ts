// What operators see of the server, and what they may do: its JSON turned into values, once.
import { answerOf, call, reach, rootUrl, ServerError } from "../connection";
import type { SessionState } from "../state";
import { type Metrics, parseMetrics } from "./metrics";

export interface Entry {
  id: string;
  model: string;
  state: SessionState;
  prompt: string;
  /** 1: next; null: it waits for nobody. */
  position: number | null;
  failure: string;
  videoFrames: number;
  /** null: without end. */
  plannedFrames: number | null;
  fps: number;
  viewers: number;
  bytes: number;
  /** Milliseconds since 1970. */
  createdAt: number;
  isTalk: boolean;
  /** Blocks that a fork generates again, and how many are done. */
  replayBlocks: number;
  replayedBlocks: number;
}

export interface ServedModel {
  name: string;
  family: string;
  state: "unloaded" | "loading" | "loaded" | "failed";
  isDefault: boolean;
  sessions: number;
  failure: string;
}

export interface Line {
  number: number;
  at: number;
  level: "debug" | "info" | "warning" | "error";
  message: string;
}

export interface Limits {
  version: string;
  maxSessions: number;
  maxQueued: number;
}

interface WireSession {
  id: string; model: string; state: SessionState; prompt: string; prompts: string[]; queue: { position: number } | null; error: { message: string } | null;
  done: { video_frames: number }; format: { video_frames: number | null }; fps: number; viewers: number; recording: { bytes: number }; created: string; speech: object | null;
  replay_blocks: number; replayed_blocks: number;
}

/** Newest first, talking heads too. */
export const sessions = async (): Promise<Entry[]> =>
  (await call<{ sessions: WireSession[] }>("GET", "sessions")).sessions.map((s) => ({
    id: s.id, model: s.model, state: s.state, prompt: s.prompt || (s.prompts[0] ?? ""), position: s.queue?.position ?? null, failure: s.error?.message ?? "",
    videoFrames: s.done.video_frames, plannedFrames: s.format.video_frames, fps: s.fps, viewers: s.viewers, bytes: s.recording.bytes,
    createdAt: Date.parse(s.created), isTalk: s.speech !== null, replayBlocks: s.replay_blocks, replayedBlocks: s.replayed_blocks,
  })).reverse();

interface WireModel { name: string; family: string; state: ServedModel["state"]; default: boolean; sessions: number; error: string | null }

export const models = async (): Promise<ServedModel[]> =>
  (await call<{ models: WireModel[] }>("GET", "models")).models.map((m) => ({ name: m.name, family: m.family, state: m.state, isDefault: m.default, sessions: m.sessions, failure: m.error ?? "" }));

/** Takes as long as that takes. */
export const setLoaded = async (name: string, isLoaded: boolean): Promise<void> => {
  await answerOf("POST", `models/${encodeURIComponent(name)}/${isLoaded ? "load" : "unload"}`);
};

export const logAfter = async (number: number): Promise<Line[]> =>
  (await call<{ lines: { number: number; time: string; level: Line["level"]; message: string }[] }>("GET", `log?after=${number}`)).lines
    .map(({ number: each, time, level, message }) => ({ number: each, at: Date.parse(time), level, message }));

const textOf = async (path: string): Promise<string> => {
  const response = await reach(rootUrl(path), {});
  if (!response.ok) throw new ServerError(`The server answered with ${response.status} ${response.statusText}.`, response.status, "");
  return response.text();
};

export const metrics = async (): Promise<Metrics> => parseMetrics(await textOf("metrics"));

export const limits = async (): Promise<Limits> => {
  const props = JSON.parse(await textOf("props")) as { version: string; limits: { max_sessions: number; max_queued: number } };
  return { version: props.version, maxSessions: props.limits.max_sessions, maxQueued: props.limits.max_queued };
};
