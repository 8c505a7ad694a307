// Many channels to one, as the server mixes them.

// Energy of the mean, of that of the loudest channel: below, channels cancel each other or most of them are silent. One of
// two channels alone has 1/4.
const LOST = 0.2;

const energy = (samples: Float32Array): number => samples.reduce((sum, sample) => sum + sample * sample, 0);

/** The mean of the channels; where that would be much quieter than the loudest one, the loudest one. */
export function mixedDown(channels: Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer> {
  const mean = new Float32Array(channels[0]?.length ?? 0);
  for (const channel of channels) channel.forEach((sample, i) => { mean[i]! += sample / channels.length; });
  let loudest = mean;
  for (const channel of channels) if (energy(channel) > energy(loudest)) loudest = channel;
  return energy(mean) < LOST * energy(loudest) ? loudest : mean;
}
