import { describe, expect, it } from "vitest";
import { LagMeter } from "./lag";
import { PACKET_SAMPLES, peak, readPacket, speechPacket } from "./packets";

describe("packets", () => {
  it("carry speech as the server reads it", () => {
    const samples = Float32Array.from({ length: PACKET_SAMPLES }, (_, i) => Math.sin(i / 10) / 2);
    const bytes = speechPacket(samples);
    expect(bytes.byteLength).toBe(13 + 1280);
    expect(new DataView(bytes).getUint32(9)).toBe(1280);
    const read = readPacket(bytes);
    expect(read?.type).toBe("speech");
    if (read?.type === "speech") read.samples.forEach((sample, i) => expect(sample).toBeCloseTo(samples[i]!, 3));
  });
  it("are limited to what 16 bits hold", () => {
    const read = readPacket(speechPacket(Float32Array.of(3, -3)));
    expect(read?.type === "speech" && peak(read.samples)).toBeCloseTo(1, 3);
  });
  it("bring pictures", () => {
    const bytes = new Uint8Array(13 + 2);
    bytes.set([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0xff, 0xd8]);
    const read = readPacket(bytes.buffer);
    expect(read?.type === "picture" && Array.from(read.jpeg)).toEqual([0xff, 0xd8]);
  });
  it("that are cut off or unknown are left out", () => {
    expect(readPacket(new ArrayBuffer(5))).toBeNull();
    expect(readPacket(speechPacket(new Float32Array(8)).slice(0, 20))).toBeNull();
    expect(readPacket(new ArrayBuffer(13))).toBeNull();
  });
});

describe("the lag", () => {
  it("is the time from the beginning of speech to the same beginning played", () => {
    const meter = new LagMeter();
    meter.sent(0.5, 1);
    meter.sent(0.5, 1.04);
    expect(meter.played(0, 1.2)).toBeNull();
    expect(meter.played(0.4, 1.5)).toBeCloseTo(0.5);
    expect(meter.played(0.4, 1.54)).toBeNull();
  });
  it("is not measured within speech", () => {
    const meter = new LagMeter();
    meter.sent(0.5, 1);
    expect(meter.played(0.4, 1.5)).toBeCloseTo(0.5);
    meter.sent(0, 1.1);
    meter.sent(0.5, 1.14);
    expect(meter.played(0.4, 1.6)).toBeNull();
  });
  it("is measured again after a pause", () => {
    const meter = new LagMeter();
    meter.sent(0.5, 1);
    meter.played(0.4, 1.5);
    for (let i = 0; i < 20; ++i) meter.played(0, 1.6 + 0.04 * i);
    meter.paused();
    meter.sent(0.5, 4);
    expect(meter.played(0.5, 4.3)).toBeCloseTo(0.3);
  });
});
