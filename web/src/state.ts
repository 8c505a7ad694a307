// What the page shows, as a value, and the one function that changes it. Pure: no DOM, no network, no clock.
import type { Forks } from "./continuing";

export type SessionState =
  | "queued" | "running" | "waiting" | "paused" | "finished" | "stopped" | "failed";

export const hasEnded = (state: SessionState): boolean =>
  state === "finished" || state === "stopped" || state === "failed";

/** As they are typed: between semicolons, those of a prompt escaped. */
export const promptLine = (prompts: string[]): string =>
  prompts.map((prompt) => prompt.replace(/(\\*);/g, "$1$1\\;")).join("; ");

export interface VideoFormat {
  width: number;
  height: number;
  fps: number;
  /** 0: endless. */
  segments: number;
  blocksPerSegment: number;
  /** Fewer than in the first: what overlaps is not made again. */
  blocksPerLaterSegment: number;
  /** null: endless. */
  videoFrames: number | null;
  hasSound: boolean;
}

/** A block of the time line, filled step by step and complete when its frames came. */
export interface Block {
  segment: number;
  block: number;
  step: number;
  steps: number;
  complete: boolean;
  /** Of the session's video; known when complete. */
  firstVideoFrame: number;
  videoFrames: number;
  prompt: string;
  /** When its frames were ready, in seconds since the session was created. */
  readyAt: number;
  /** What the model worked on it. */
  workSeconds: number;
}

/** Where a session stands that waits for others to end. */
export interface QueuePlace {
  /** 1: it is next. */
  position: number;
  /** null: nobody can tell. */
  waitSeconds: number | null;
}

export interface Session {
  id: string;
  /** Its name on the server. */
  model: string;
  state: SessionState;
  /** null: it waits for nobody. */
  queue: QueuePlace | null;
  /** Why it failed or by whom it was stopped. */
  reason: string;
  format: VideoFormat;
  mimeType: string;
  /** The prompt that the newest block is made under. */
  prompt: string;
  /** What the session began with, as it would be typed again. */
  firstPrompt: string;
  /** In digits. */
  seed: string;
  /** What of the request was taken and has no effect. */
  ignored: { field: string; reason: string }[];
  /** What of it may disappoint, in the server's words. */
  warnings: string[];
  /** The session from which this one went on; its video begins with what that one had made. */
  forkedFrom: string | null;
  /** Where forks of it may begin. */
  forks: Forks;
  /** Blocks of its origin that a fork generates again before its own, and how many of them are done. */
  replayBlocks: number;
  replayedBlocks: number;
  /** Made as fast as it is watched; else as fast as the model goes. */
  realTime: boolean;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Video frames that there are, as the server's list told last. */
  madeFrames: number;
  /** A change of prompt that was sent and has not yet taken effect. */
  pendingPrompt: string | null;
  /** What its model says beside the pictures. */
  text: string;
  blocks: Block[];
  /** Its events come, which know more than the server's list. */
  followed: boolean;
  /** Number of the last event taken in; what comes again after a reconnection is ignored. */
  lastSequence: number;
  /** Milliseconds between the click and the first frame on this screen; null before it, or for others' sessions. */
  firstFrameShownMs: number | null;
}

export interface State {
  /** Newest first. */
  sessions: Session[];
  /** What could not be done, in the server's words. */
  notice: string | null;
}

export const initialState: State = { sessions: [], notice: null };

export type SessionEvent = { sequence: number; at: number } & (
  | { type: "block_progress"; segment: number; block: number; step: number; steps: number }
  | { type: "frame_block"; segment: number; block: number; firstVideoFrame: number; videoFrames: number; prompt: string; workSeconds: number }
  | { type: "prompt_applied"; segment: number; block: number; prompt: string }
  | { type: "utterance_ended" }
  | { type: "queue"; place: QueuePlace }
  | { type: "text_chunk"; text: string }
  | { type: "state"; state: SessionState; reason: string }
);

export type Action =
  | { type: "created"; session: Session }
  /** All that the server has. `known`: what the page knew when it asked, so that what is missing now is gone. */
  | { type: "listed"; sessions: Session[]; known: ReadonlySet<string> }
  /** The server was gone: what it tells now begins anew. */
  | { type: "begun_anew"; id: string }
  /** Nobody listens to its events any more. */
  | { type: "left"; id: string }
  | { type: "event"; id: string; event: SessionEvent }
  | { type: "prompt_sent"; id: string; prompt: string }
  | { type: "prompt_refused"; id: string }
  | { type: "paced"; id: string; realTime: boolean }
  | { type: "first_frame_shown"; id: string; milliseconds: number }
  | { type: "removed"; id: string }
  | { type: "notice"; text: string | null };

/** Endless sessions keep the newest blocks only. */
export const MAX_BLOCKS = 600;
/** And the end of what their model says. */
export const MAX_TEXT = 4000;

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "created":
      return { notice: null, sessions: [action.session, ...state.sessions.filter((s) => s.id !== action.session.id)] };
    case "listed": {
      const listed = new Map(action.sessions.map((session) => [session.id, session]));
      const known = new Map(state.sessions.map((session) => [session.id, session]));
      const made = state.sessions.filter(({ id }) => !listed.has(id) && !action.known.has(id));
      const sessions = [...made, ...action.sessions.map((session) => withNews(known.get(session.id), session))];
      const same = sessions.length === state.sessions.length && sessions.every((session, i) => session === state.sessions[i]);
      return same ? state : { ...state, sessions };
    }
    case "begun_anew":
      return change(state, action.id, (session) => ({ ...session, blocks: [], text: "", lastSequence: -1 }));
    case "left":
      return change(state, action.id, (session) => ({ ...session, followed: false }));
    case "event":
      return change(state, action.id, (session) => takeEvent(session, action.event));
    case "prompt_sent":
      return change(state, action.id, (session) => ({ ...session, pendingPrompt: action.prompt }));
    case "prompt_refused":
      return change(state, action.id, (session) => ({ ...session, pendingPrompt: null }));
    case "paced":
      return change(state, action.id, (session) => ({ ...session, realTime: action.realTime }));
    case "first_frame_shown":
      return change(state, action.id, (session) =>
        session.firstFrameShownMs === null ? { ...session, firstFrameShownMs: action.milliseconds } : session);
    case "removed":
      return { ...state, sessions: state.sessions.filter((s) => s.id !== action.id) };
    case "notice":
      return { ...state, notice: action.text };
  }
}

function change(state: State, id: string, how: (session: Session) => Session): State {
  return { ...state, sessions: state.sessions.map((s) => (s.id === id ? how(s) : s)) };
}

/** What the list tells of a session. One that is followed knows more and sooner, but for its end. */
function withNews(known: Session | undefined, listed: Session): Session {
  if (!known) return listed;
  const { state, queue, madeFrames, prompt, reason, forks, replayBlocks, replayedBlocks } = listed;
  const follows = known.followed && !hasEnded(state);
  const told = { madeFrames, forks, replayBlocks, replayedBlocks, ...(!follows && { state, queue, prompt, reason }) };
  const isNews = Object.entries(told).some(([name, value]) => JSON.stringify(known[name as keyof Session]) !== JSON.stringify(value));
  return isNews ? { ...known, ...told } : known;
}

function takeEvent(session: Session, event: SessionEvent): Session {
  if (event.sequence <= session.lastSequence) return session.followed ? session : { ...session, followed: true };
  const seen = { ...session, followed: true, lastSequence: event.sequence };
  switch (event.type) {
    case "block_progress":
      return { ...seen, blocks: withBlock(seen, event, (b) => (b.complete ? b : { ...b, step: event.step, steps: event.steps })) };
    case "frame_block":
      return {
        ...seen,
        blocks: withBlock(seen, event, (b) => ({
          ...b,
          step: b.steps,
          complete: true,
          firstVideoFrame: event.firstVideoFrame,
          videoFrames: event.videoFrames,
          prompt: event.prompt,
          readyAt: event.at,
          workSeconds: event.workSeconds,
        })),
      };
    case "prompt_applied":
      return {
        ...seen,
        prompt: event.prompt,
        pendingPrompt: seen.pendingPrompt === event.prompt ? null : seen.pendingPrompt,
        blocks: withBlock(seen, event, (b) => ({ ...b, prompt: event.prompt })),
      };
    case "queue":
      return { ...seen, queue: event.place };
    case "utterance_ended":
      return seen;
    case "text_chunk":
      return { ...seen, text: (seen.text + event.text).slice(-MAX_TEXT) };
    case "state":
      // What has ended is told from its beginning on, and does not run again for that.
      if (hasEnded(session.state) && !hasEnded(event.state)) return seen;
      return {
        ...seen,
        state: event.state,
        queue: event.state === "queued" ? seen.queue : null,
        reason: event.reason,
        pendingPrompt: hasEnded(event.state) ? null : seen.pendingPrompt,
      };
  }
}

function withBlock(session: Session, at: { segment: number; block: number }, how: (block: Block) => Block): Block[] {
  const blocks = session.blocks;
  // Events come in order: the wanted block is the last one or a new one, but for a moment's reordering.
  for (let i = blocks.length - 1; i >= 0; --i) {
    const block = blocks[i]!;
    if (block.segment === at.segment && block.block === at.block) return blocks.with(i, how(block));
  }
  const fresh: Block = {
    segment: at.segment, block: at.block, step: 0, steps: 0, complete: false,
    firstVideoFrame: 0, videoFrames: 0, prompt: session.prompt, readyAt: 0, workSeconds: 0,
  };
  return [...blocks, how(fresh)].slice(-MAX_BLOCKS);
}

// What the components draw, derived from a session.

export const generatedFrames = (session: Session): number => {
  const last = session.blocks.findLast((b) => b.complete);
  const told = last ? last.firstVideoFrame + last.videoFrames : 0;
  // Before its blocks are told the list knows it, of one that has ended to the last frame.
  return last && !hasEnded(session.state) ? told : Math.max(told, session.madeFrames);
};

/** Seconds from the session's creation to its first block, as the server measured it. */
export const firstBlockSeconds = (session: Session): number | null => {
  const first = session.blocks.find((b) => b.complete);
  return first && first.firstVideoFrame === 0 && session.forkedFrom === null ? first.readyAt : null;
};

/** Video frames that the model makes in a second of its work, over the newest blocks; null before the first. Neither turns
 * that others take nor rests while the viewer has enough count. */
export const modelFps = (session: Session): number | null => {
  const newest = session.blocks.filter((b) => b.complete).slice(-8);
  const work = newest.reduce((sum, b) => sum + b.workSeconds, 0);
  return work > 0 ? newest.reduce((sum, b) => sum + b.videoFrames, 0) / work : null;
};

/** The cells of the time line: blocks that have begun, then those that are known to come, segment by segment. */
export const timeline = (session: Session): Block[][] => {
  const { segments, blocksPerSegment, blocksPerLaterSegment } = session.format;
  const known = new Map(session.blocks.map((b) => [`${b.segment}/${b.block}`, b]));
  const firstSegment = session.blocks[0]?.segment ?? 0;
  const newestSegment = session.blocks.at(-1)?.segment ?? 0;
  // What was never made of a session that has ended is not shown as if it could still come.
  const ended = hasEnded(session.state);
  const lastSegment = segments > 0 && !ended ? segments - 1 : newestSegment;
  const rows: Block[][] = [];
  for (let segment = firstSegment; segment <= lastSegment; ++segment) {
    const row: Block[] = [];
    const planned = segment === 0 ? blocksPerSegment : blocksPerLaterSegment;
    const made = (session.blocks.findLast((b) => b.segment === segment && b.complete)?.block ?? -1) + 1;
    const begun = (session.blocks.findLast((b) => b.segment === segment)?.block ?? -1) + 1;
    const parted = segment === firstSegment ? (session.blocks[0]?.block ?? 0) : 0;
    // Of a video whose length follows from speech, the blocks that this page knows.
    const unplanned = planned === 0;
    // An endless one goes as far as the block in work, like plannedSeconds: else the mark would not stand on its block.
    const isWorked = (b: Block): boolean => b.segment === segment && (b.complete || b.step > 0);
    const worked = (session.blocks.findLast(isWorked)?.block ?? -1) + 1;
    const isEndless = segments === 0 && session.blocks.some((b) => b.complete || b.step > 0);
    for (let block = session.forkedFrom === null && !unplanned ? 0 : parted; block < (ended ? made : isEndless ? worked : unplanned ? begun : planned); ++block)
      row.push(known.get(`${segment}/${block}`) ?? {
        segment, block, step: 0, steps: 0, complete: false, firstVideoFrame: 0, videoFrames: 0, prompt: "", readyAt: 0, workSeconds: 0,
      });
    rows.push(row);
  }
  return rows;
};

/** How much of a block is done, 0 to 1. The last part is the decoding, for which no step is reported. */
export const fill = (block: Block): number =>
  block.complete ? 1 : block.steps > 0 ? (0.9 * block.step) / block.steps : 0;

/** Number of the prompt among the session's prompts in their order of appearance: gives it its colour. */
export const promptIndex = (session: Session, prompt: string): number => {
  const prompts: string[] = [];
  for (const block of session.blocks) if (block.prompt && !prompts.includes(block.prompt)) prompts.push(block.prompt);
  return Math.max(0, prompts.indexOf(prompt));
};

/** When the video comes to the next block that has not begun, in seconds: from there on a new prompt is seen. */
export const nextBlockAt = (session: Session): number => {
  const made = session.blocks.findLast((b) => b.complete);
  const begun = session.blocks.some((b) => !b.complete && b.step > 0);
  // The block in work is as long as the one before; the first one of a video may be shorter.
  return (generatedFrames(session) + (begun ? (made?.videoFrames ?? 0) : 0)) / session.format.fps;
};

/** Seconds of the video that there are. */
export const generatedSeconds = (session: Session): number => generatedFrames(session) / session.format.fps;

/** Seconds that the time line has room for: the whole video, or of an endless one what there is and the block in work. */
export const plannedSeconds = (session: Session): number => {
  const { videoFrames, fps } = session.format;
  if (hasEnded(session.state)) return generatedSeconds(session);
  return Math.max(generatedSeconds(session), videoFrames !== null ? videoFrames / fps : nextBlockAt(session));
};

/** The prompt that the frame at this time was made under. */
export const promptAt = (session: Session, seconds: number): string => {
  const frame = seconds * session.format.fps;
  const block = session.blocks.find((b) => b.complete && frame < b.firstVideoFrame + b.videoFrames);
  return (block ?? session.blocks.findLast((b) => b.complete))?.prompt || session.prompt;
};
