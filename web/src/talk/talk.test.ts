import { describe, expect, it } from "vitest";
import { followLive } from "../player";
import { openAudioSocket } from "./audio_socket";
import { LagMeter } from "./lag";
import { mixedDown } from "./mix";
import { Pace } from "./pace";
import { PACKET_SAMPLES, peak, readPacket, speechPacket } from "./packets";

describe("channels", () => {
  const wave = (share: number): Float32Array<ArrayBuffer> => Float32Array.from({ length: 800 }, (_, i) => share * Math.sin(i / 10));
  it("become their mean", () => {
    expect(mixedDown([wave(1), wave(0.5)])[15]).toBeCloseTo(wave(0.75)[15]!, 5);
    expect(mixedDown([wave(1), wave(0)])[15]).toBeCloseTo(wave(0.5)[15]!, 5);
    expect(mixedDown([])).toHaveLength(0);
  });
  it("that cancel each other, or are silent but for one, become the loudest", () => {
    expect(mixedDown([wave(0.9), wave(-1)])[15]).toBeCloseTo(wave(-1)[15]!, 5);
    expect(mixedDown([wave(0), wave(0), wave(1), wave(0), wave(0), wave(0)])[15]).toBeCloseTo(wave(1)[15]!, 5);
  });
});

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
    meter.sent(0.5, 4);
    expect(meter.played(0.5, 4.3)).toBeCloseTo(0.3);
  });
});

describe("silence", () => {
  const HZ = 1000;
  it("is sent at its time while nobody speaks", () => {
    const pace = new Pace(HZ, 10);
    expect([10.04, 10.08, 10.12].map((at) => pace.silence(at, 0)).reduce((sum, samples) => sum + samples)).toBe(120);
  });
  it("is not sent into speech, and fills up what was missing after it", () => {
    const pace = new Pace(HZ, 0);
    for (let at = 0.02; at < 0.41; at += 0.02) {
      pace.spoke(20, at);
      expect(pace.silence(at + 0.001, 0)).toBe(0);
    }
    expect(pace.silence(0.45, 0)).toBe(0);
    expect(pace.silence(0.6, 0)).toBe(200);
  });
  it("is left out while the pictures are far behind", () => {
    const pace = new Pace(HZ, 0);
    expect(pace.silence(1, 1.5)).toBe(0);
    expect(pace.silence(1.04, 0.5)).toBe(40);
  });
  it("does not come in bursts after a sleep", () => {
    expect(new Pace(HZ, 0).silence(60, 0)).toBe(500);
  });
});

/** Stands for the built-in one. */
class Socket {
  static opened: Socket[] = [];
  readyState = 0;
  sent: Int16Array[] = [];
  closedWith: number | null = null;
  onopen: () => void = () => undefined;
  onclose: (event: { code: number; reason: string }) => void = () => undefined;
  constructor(readonly address: string) { Socket.opened.push(this); }
  send(bytes: ArrayBuffer): void { this.sent.push(new Int16Array(bytes)); }
  close(code: number): void { this.closedWith = code; }
  open(): void {
    this.readyState = 1;
    this.onopen();
  }
}

describe("the audio socket", () => {
  const begin = async (address: Promise<string> = Promise.resolve("ws://here/audio")) => {
    const ends: (string | null)[] = [];
    const audio = openAudioSocket(address, { onEnd: (reason) => ends.push(reason) }, Socket as unknown as typeof WebSocket);
    await address.catch(() => undefined);
    await Promise.resolve();
    return { audio, ends, socket: Socket.opened.at(-1)! };
  };
  it("sends bare PCM, also what was said before it was open", async () => {
    const { audio, socket } = await begin();
    audio.speak(Float32Array.of(0.5, -1));
    expect(audio.sent).toBe(0);
    socket.open();
    audio.speak(Float32Array.of(3));
    expect(socket.address).toBe("ws://here/audio");
    expect(socket.sent.map((each) => [...each])).toEqual([[16_384, -32_767], [32_767]]);
    expect(audio.sent).toBe(3);
  });
  it("keeps the newest second of what was said before", async () => {
    const { audio, socket } = await begin();
    for (let i = 0; i < 30; ++i) audio.speak(new Float32Array(1600).fill(i / 100));
    socket.open();
    expect(audio.sent).toBe(16_000);
    expect(socket.sent.at(-1)![0]).toBe(Math.round(0.29 * 32_767));
  });
  it("says why it ended, but not when it was closed here", async () => {
    const ended = await begin(), lost = await begin(), failed = await begin(), closed = await begin();
    ended.socket.onclose({ code: 1000, reason: "stopped" });
    lost.socket.onclose({ code: 1006, reason: "" });
    failed.socket.onclose({ code: 1011, reason: "the model is tired" });
    closed.audio.close();
    closed.socket.onclose({ code: 1000, reason: "" });
    expect([ended.ends, lost.ends, failed.ends, closed.ends]).toEqual([[null], ["The connection to the talking head was lost."], ["the model is tired"], []]);
    expect(closed.socket.closedWith).toBe(1000);
  });
  it("tells in the server's words that there is no session", async () => {
    const { ends } = await begin(Promise.reject(new Error("no face was found")));
    await Promise.resolve();
    expect(ends).toEqual(["no face was found"]);
  });
});

describe("a live video", () => {
  it("plays at its own speed while it is near the newest moment", () => {
    expect(followLive(0.3, 1)).toEqual({ rate: 1, skipSeconds: 0 });
    expect(followLive(0.6, 1)).toEqual({ rate: 1, skipSeconds: 0 });
  });
  it("makes up for a stall a little faster, until it is near again", () => {
    expect(followLive(0.9, 1).rate).toBe(1.1);
    expect(followLive(0.6, 1.1).rate).toBe(1.1);
    expect(followLive(0.3, 1.1).rate).toBe(1);
  });
  it("skips what it is far behind", () => {
    const { rate, skipSeconds } = followLive(5, 1.1);
    expect(rate).toBe(1);
    expect(skipSeconds).toBeCloseTo(4.6);
  });
});
