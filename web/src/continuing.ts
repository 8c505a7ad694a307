// Where another video can go on from a session, and what that costs. Pure.
import { type Session, hasEnded } from "./state";

/** Of the blocks of a session, between which forks may begin. */
export interface Forks {
  /** Numbers of blocks before the border, the lowest and the highest; null: there are none. */
  least: number | null;
  most: number | null;
  /** From here on nothing is generated again; null: everywhere. */
  leastKept: number | null;
  /** Why blocks cannot be generated again, in the server's words; null: they can. */
  noReplay: string | null;
}

export interface Border {
  blocks: number;
  /** Where it is in the video; null: nobody here can tell. */
  seconds: number | null;
  /** Blocks that are generated again before it is reached. */
  replay: number;
}

/** Of a fork that still generates again what it shares with its origin. */
export const isReplaying = ({ state, replayBlocks, replayedBlocks }: Session): boolean => !hasEnded(state) && replayedBlocks < replayBlocks;

/** It can go on from somewhere. What has ended keeps no border. */
export const canGoOn = ({ state, forks }: Session): boolean => forks.most !== null && (!hasEnded(state) || forks.noReplay === null);

/** Where each border is; nothing of a video whose oldest blocks the page does not know. */
const borderSeconds = ({ blocks, format: { fps } }: Session): number[] => {
  const made = blocks.filter(({ complete }) => complete);
  return made[0]?.firstVideoFrame === 0 || made.length === 0 ? [0, ...made.map((block) => (block.firstVideoFrame + block.videoFrames) / fps)] : [];
};

const borderAt = ({ state, forks: { leastKept } }: Session, blocks: number, seconds: number | null): Border =>
  ({ blocks, seconds, replay: !hasEnded(state) && leastKept !== null && blocks >= leastKept ? 0 : blocks });

/** The newest one. */
export const lastBorder = (session: Session): Border | null => {
  const { most } = session.forks;
  return most === null ? null : borderAt(session, most, borderSeconds(session)[most] ?? null);
};

/** The one that is nearest to this moment, of those that can be had. */
export const borderNear = (session: Session, seconds: number): Border | null => {
  const { least, most } = session.forks;
  if (least === null || most === null) return null;
  const places = borderSeconds(session).map((at, blocks) => ({ at, blocks })).slice(least, most + 1);
  if (places.length === 0) return null;
  const nearest = places.reduce((best, each) => (Math.abs(each.at - seconds) < Math.abs(best.at - seconds) ? each : best));
  return borderAt(session, nearest.blocks, nearest.at);
};

/** How much longer than planned a video may become, in segments; 0: what was planned is made first. Nothing: it has no end. */
export const lengths = ({ state, format: { segments } }: Session): number[] => (segments === 0 ? [] : state === "finished" ? [1, 2, 4] : [0, 1, 2]);

/** Of so many segments more, as far as the page knows how long one is. */
export const secondsOf = ({ blocks, format: { blocksPerLaterSegment, fps } }: Session, segments: number): number | null => {
  // The first block of a video, and the last, may be shorter.
  const usual = Math.max(0, ...blocks.map(({ videoFrames }) => videoFrames));
  return usual === 0 || blocksPerLaterSegment === 0 ? null : (segments * blocksPerLaterSegment * usual) / fps;
};

/** What is sent for a fork; without `blocks` it goes on from the end. */
export interface ForkRequest {
  prompt?: string;
  blocks?: number;
  segments?: number;
}

/** Other words from a border on. A complete video has nothing behind its last one: there it becomes longer. */
export const fromBorder = (session: Session, { blocks }: Border, prompt: string, segments: number): ForkRequest =>
  ({ ...(prompt !== "" && { prompt }), blocks, ...(session.state === "finished" && blocks === session.forks.most && { segments: Math.max(1, segments) }) });

export const fromEnd = (prompt: string, segments: number): ForkRequest => ({ ...(prompt !== "" && { prompt }), ...(segments > 0 && { segments }) });

/** Why blocks cannot be generated again, by the names of the catalogues and in the words of the server. */
const REASONS = {
  speech: "it was made from speech, which is not kept",
  image: "the image that it began with is no longer kept",
  options: "options were changed while it ran, and when is not known",
  version: "an earlier version of the server made it, and did not record what that needs",
  model: "its model cannot be forked",
  prompts: "it is so long that the first prompts which were set while it ran are no longer known",
} as const;

/** null: a newer server has a reason that this page does not know. */
export const knownReason = (words: string): keyof typeof REASONS | null =>
  (Object.keys(REASONS) as (keyof typeof REASONS)[]).find((name) => REASONS[name] === words) ?? null;
