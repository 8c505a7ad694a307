// Sizes of videos, and which of them a model was trained for. Pure: no DOM, no network.

export interface Size {
  width: number;
  height: number;
}

/** What a model's files say. */
export interface TrainedFor {
  /** Empty: nothing is known. */
  sizes: Size[];
  /** The most that are made at once; null: nothing is known. */
  frames: number | null;
}

export const sizeWords = ({ width, height }: Size): string => `${width}x${height}`;

/** Null: nothing is known of the model, so that nothing is beyond. */
export const isBeyond = (trainedFor: TrainedFor | null, { width, height }: Size, frames = 0): boolean => {
  if (trainedFor === null) return false;
  const { sizes, frames: most } = trainedFor;
  return (sizes.length > 0 && !sizes.some((each) => each.width === width && each.height === height)) || (most !== null && frames > most);
};

/** Frames of the published presets, whose names are the sides of their squares. */
const PRESET_FRAMES = new Map([["256", 15], ["512", 30], ["768", 60]]);

export interface OfferedPreset {
  name: string;
  /** The model was not trained for it: the video may be poor. */
  beyond: boolean;
}

/** Those that the model was trained for first. */
export const offeredPresets = (presets: readonly string[], trainedFor: TrainedFor | null): OfferedPreset[] => {
  const side = (name: string): Size => ({ width: Number(name), height: Number(name) });
  const all = presets.map((name) => ({ name, beyond: isBeyond(trainedFor, side(name), PRESET_FRAMES.get(name)) }));
  return all.toSorted((a, b) => Number(a.beyond) - Number(b.beyond));
};

/** "128x128 and 33 frames" */
export const trainedWords = ({ sizes, frames }: TrainedFor): string =>
  [...(sizes.length > 0 ? [sizes.map(sizeWords).join(", ")] : []), ...(frames === null ? [] : [`${frames} frames`])].join(" and ");
