// The realtime WebSocket's messages: a header of 13 bytes (type, microseconds since 1970, length; big-endian) and the
// payload: speech as 16-bit PCM at 16 kHz, or one JPEG. Pure.

export const SPEECH_HZ = 16_000;
/** 40 ms: one video frame. */
export const PACKET_SAMPLES = 640;
const HEADER_BYTES = 13;

/** `timeUs`: when the server sent it, in microseconds since 1970. */
export type Packet = { timeUs: number } & ({ type: "speech"; samples: Float32Array<ArrayBuffer> } | { type: "picture"; jpeg: Uint8Array<ArrayBuffer> });

/** The server looks at the type only: what is heard first is spoken first. */
export function speechPacket(samples: Float32Array): ArrayBuffer {
  const bytes = new ArrayBuffer(HEADER_BYTES + 2 * samples.length);
  const view = new DataView(bytes);
  view.setUint8(0, 1);
  view.setUint32(9, 2 * samples.length);
  writePcm(view, HEADER_BYTES, samples);
  return bytes;
}

/** Samples in [-1, 1] as 16-bit PCM, little-endian, from this byte on. */
export function writePcm(view: DataView, at: number, samples: Float32Array): void {
  samples.forEach((sample, i) => view.setInt16(at + 2 * i, Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), true));
}

/** null for what is not known here. */
export function readPacket(bytes: ArrayBuffer): Packet | null {
  if (bytes.byteLength < HEADER_BYTES) return null;
  const view = new DataView(bytes);
  const length = view.getUint32(9);
  if (HEADER_BYTES + length > bytes.byteLength) return null;
  const timeUs = Number(view.getBigUint64(1));
  switch (view.getUint8(0)) {
    case 1: return { type: "speech", timeUs, samples: Float32Array.from({ length: length >> 1 }, (_, i) => view.getInt16(HEADER_BYTES + 2 * i, true) / 32_768) };
    case 2: return { type: "picture", timeUs, jpeg: new Uint8Array(bytes, HEADER_BYTES, length) };
    default: return null;
  }
}

export const peak = (samples: Float32Array): number => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
