// The clients against a server that writes down what it gets.
import { type Server, createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ChunkedStreamingClient, RealtimeClient, TalkError, wav } from "./client";
import { PACKET_SAMPLES, readPacket, speechPacket } from "./packets";

const INIT = { status: "success", session_id: "a b", hls_url: "/hls/a%20b/playlist.m3u8" };
const FED = { status: "success", session_id: "a b", buffer_samples: 8000, frames_generated: 0, session_status: "processing" };
const BEGIN = "POST /api/audio-driven/chunked/init", FEED = "POST /api/audio-driven/chunked/feed";
const STATUS = "GET /api/audio-driven/chunked/status/a%20b", REMOVE = "DELETE /api/audio-driven/chunked/session/a%20b";
const portrait = new Blob([Uint8Array.of(0x89, 0x50)]);

interface Asked { what: string; form: FormData; token: string | undefined }
let server: Server, url: string, asked: Asked[];
/** For "METHOD path", the last one again and again. */
let answers: Record<string, [number, unknown][]>;

beforeEach(async () => {
  asked = [];
  answers = { [BEGIN]: [[200, INIT]], [FEED]: [[200, FED]], [REMOVE]: [[200, {}]] };
  server = createServer((request, response) => void (async () => {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of request) pieces.push(piece);
    const type = request.headers["content-type"];
    const what = `${request.method} ${request.url}`;
    const form = type ? await new Response(new Blob(pieces), { headers: { "content-type": type } }).formData() : new FormData();
    asked.push({ what, form, token: request.headers["authorization"] });
    const waiting = answers[what] ?? [[404, { detail: "Not Found" }]];
    const [status, content] = waiting.length > 1 ? waiting.shift()! : waiting[0]!;
    response.writeHead(status).end(typeof content === "string" ? content : JSON.stringify(content));
  })());
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  url = `http://127.0.0.1:${server.address().port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise<void>((closed) => server.close(closed));
});

const begun = async (): Promise<ChunkedStreamingClient> => {
  const client = new ChunkedStreamingClient(url);
  await client.initSession(portrait);
  return client;
};
const textFields = (form: FormData): Record<string, unknown> => Object.fromEntries([...form].filter(([, value]) => typeof value === "string"));
const fed = (): Asked[] => asked.filter(({ what }) => what === FEED);
const bytesOf = async (form: FormData): Promise<DataView> => new DataView(await (form.get("audio_chunk") as Blob).arrayBuffer());

describe("the chunked client", () => {
  it("has the published defaults", async () => {
    expect(new ChunkedStreamingClient().serverUrl).toBe("http://localhost:9999");
    const client = new ChunkedStreamingClient(`${url}/`);
    expect(client.sessionId).toBeNull();
    expect(await client.initSession(portrait)).toEqual(INIT);
    expect(client.sessionId).toBe("a b");
    expect(client.hlsUrl).toBe(`${url}/hls/a%20b/playlist.m3u8`);
    expect(textFields(asked[0]!.form)).toEqual({
      crop: "true", seed: "42", nfe: "10", cfg_scale: "2", chunk_duration: "1", audio_sample_rate: "24000",
    });
    expect((asked[0]!.form.get("image") as Blob).size).toBe(2);
  });
  it("sends what is chosen", async () => {
    const client = new ChunkedStreamingClient(url, { token: "secret" });
    await client.initSession(portrait, { crop: false, nfe: 5, chunk_duration: 0.5, session_id: "a b", pose_style: [1, 2, 3], mode: "reference" });
    expect(textFields(asked[0]!.form)).toMatchObject({ crop: "false", nfe: "5", chunk_duration: "0.5", session_id: "a b", pose_style: "[1,2,3]", mode: "reference" });
    expect(asked[0]!.token).toBe("Bearer secret");
  });
  it("feeds files as they are and numbers as WAV", async () => {
    const client = await begun();
    const file = new Blob(["ID3"]);
    expect(await client.feedAudioChunk(file)).toEqual(FED);
    await client.feedAudioChunk(Uint8Array.of(1, 2), true);
    await client.feedAudioChunk(Float32Array.of(1, -1, 3), true);
    const [asFile, asBytes, asNumbers] = fed().map(({ form }) => form);
    expect(textFields(asFile!)).toEqual({ session_id: "a b", is_final_chunk: "false" });
    expect((asFile!.get("audio_chunk") as File).name).toBe("chunk.wav");
    expect((await bytesOf(asFile!)).byteLength).toBe(3);
    expect((await bytesOf(asBytes!)).byteLength).toBe(2);
    const sound = await bytesOf(asNumbers!);
    expect([sound.getUint32(24, true), sound.getUint32(40, true)]).toEqual([24_000, 6]);
    expect([0, 1, 2].map((i) => sound.getInt16(44 + 2 * i, true))).toEqual([32_767, -32_767, 32_767]);
    expect(asNumbers!.get("is_final_chunk")).toBe("true");
  });
  it("feeds what a generator gives, and then its end", async () => {
    const client = await begun();
    async function* microphone(): AsyncGenerator<Float32Array> {
      for (const length of [3, 4]) yield new Float32Array(length);
    }
    await client.streamAudio(microphone());
    expect(await Promise.all(fed().map(async ({ form }) => [(await bytesOf(form)).byteLength, form.get("is_final_chunk")])))
      .toEqual([[50, "false"], [52, "false"], [44, "true"]]);
  });
  it("waits for the video, takes it and removes the session", async () => {
    const client = await begun();
    answers["GET /api/hls/a%20b/playlist.m3u8"] = [[202, { detail: "Playlist not ready yet." }], [200, "#EXTM3U"]];
    answers[STATUS] = [[200, { status: "processing" }], [200, { status: "complete", total_frames_generated: 25 }]];
    answers["GET /api/hls/a%20b/download"] = [[200, "an MP4"]];
    expect(await client.waitUntilPlayable()).toBe(client.hlsUrl);
    expect((await client.waitUntilComplete()).total_frames_generated).toBe(25);
    expect(await (await client.download()).text()).toBe("an MP4");
    await client.cleanup();
    await client.cleanup();
    expect(asked.filter(({ what }) => what === REMOVE)).toHaveLength(1);
    expect(client.sessionId).toBeNull();
    await expect(client.getStatus()).rejects.toThrow("initSession()");
  });
  it("says why a session failed", async () => {
    const client = await begun();
    answers[STATUS] = [[200, { status: "error", error: "the model is tired" }]];
    await expect(client.waitUntilComplete()).rejects.toThrow("the model is tired");
  });
  it.each([
    [400, { detail: "nfe must be between 5 and 50" }, "nfe must be between 5 and 50"],
    [422, { detail: [{ loc: ["body", "image"], msg: "Field required" }] }, "image: Field required"],
    [401, { error: { message: "this server asks for a token" } }, "this server asks for a token"],
    [502, "Bad gateway", "Bad gateway"],
    [503, "", "Service Unavailable"],
  ])("tells refusals in the server's words: %i", async (status, body, words) => {
    answers[BEGIN] = [[status, body]];
    const refusal: unknown = await new ChunkedStreamingClient(url).initSession(portrait).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(TalkError);
    expect(refusal).toMatchObject({ status, detail: words, message: `${status}: ${words}` });
  });
});

/** Stands for the built-in one, which Node has only from version 22 on. */
class Socket {
  static opened: Socket[] = [];
  readyState = 0;
  binaryType = "";
  sent: ArrayBuffer[] = [];
  onopen: () => void = () => undefined;
  onmessage: (message: { data: ArrayBuffer | string }) => void = () => undefined;
  onclose: (event: { code: number; reason: string }) => void = () => undefined;
  closedWith: number | null = null;
  constructor(readonly address: string) { Socket.opened.push(this); }
  send(bytes: ArrayBuffer): void { this.sent.push(bytes); }
  close(code: number): void { this.closedWith = code; }
  open(): void {
    this.readyState = 1;
    this.onopen();
  }
  bring(type: number, timeUs: number, payload: number[]): void {
    const bytes = new DataView(new ArrayBuffer(13 + payload.length));
    bytes.setUint8(0, type);
    bytes.setBigUint64(1, BigInt(timeUs));
    bytes.setUint32(9, payload.length);
    payload.forEach((byte, i) => bytes.setUint8(13 + i, byte));
    this.onmessage({ data: bytes.buffer });
  }
}

describe("the realtime client", () => {
  const connected = async (): Promise<{ client: RealtimeClient; socket: Socket }> => {
    answers["POST /api/realtime/init"] = [[200, { session_id: "abc", websocket_url: "/ws/realtime/abc" }]];
    const client = new RealtimeClient(url, { token: "se cret", WebSocket: Socket as unknown as typeof WebSocket });
    expect(await client.initSession(portrait)).toBe("abc");
    client.connect();
    await Promise.resolve();
    return { client, socket: Socket.opened.at(-1)! };
  };

  it("connects to the address that the server gave", async () => {
    const { client, socket } = await connected();
    expect(asked[0]!.form.get("crop")).toBe("true");
    expect(socket.address).toBe(`${url.replace("http", "ws")}/ws/realtime/abc?token=se+cret`);
    expect(socket.binaryType).toBe("arraybuffer");
    client.close();
    expect(socket.closedWith).toBe(1000);
    expect(() => new RealtimeClient(url).speak(new Float32Array(1))).toThrow("initSession()");
  });
  it("sends speech in packets of 40 ms, also what was said before the connection stood", async () => {
    const { client, socket } = await connected();
    const speech = Float32Array.from({ length: 2.5 * PACKET_SAMPLES }, (_, i) => Math.sin(i / 10) / 2);
    client.speak(speech.subarray(0, 1000));
    expect(socket.sent).toHaveLength(0);
    socket.open();
    client.speak(speech.subarray(1000));
    client.pause();
    client.pause();
    expect(socket.sent.map((bytes) => bytes.byteLength)).toEqual([1293, 1293, 1293]);
    const last = readPacket(socket.sent[2]!);
    expect(last?.type === "speech" && Math.abs(last.samples[319]! - speech[1599]!) < 1e-3 && last.samples[320] === 0).toBe(true);
  });
  it("says speech at its own speed", async () => {
    const { client, socket } = await connected();
    socket.open();
    await client.say(new Float32Array(1000).fill(0.5));
    expect(socket.sent).toHaveLength(2);
  });
  it("gives pictures with their sound until the server ends it", async () => {
    const { client, socket } = await connected();
    socket.open();
    socket.bring(1, 1, [0, 0]);  // sound without a picture
    socket.onmessage({ data: "words" });
    const frames: unknown[] = [];
    const reading = (async () => { for await (const frame of client) frames.push(frame); })();
    for (const timeUs of [2, 1_750_000_000_000_000]) {
      socket.bring(2, timeUs, [0xff, timeUs % 256]);
      socket.bring(1, timeUs, [0, 0x40]);
    }
    socket.onclose({ code: 1000, reason: "ended" });
    await reading;
    expect(frames).toEqual([2, 1_750_000_000_000_000].map((timeUs) => ({ timeUs, jpeg: Uint8Array.of(0xff, timeUs % 256), samples: Float32Array.of(0.5) })));
  });
  it("says why it ended badly", async () => {
    const { client, socket } = await connected();
    socket.onclose({ code: 4004, reason: "Session not found" });
    await expect((async () => { for await (const frame of client) void frame; })()).rejects.toThrow("Session not found");
  });
});

describe("wav", () => {
  it("has the header that players expect", async () => {
    const bytes = new Uint8Array(await wav(new Float32Array(2), 16_000).arrayBuffer());
    expect(new TextDecoder().decode(bytes.subarray(0, 4))).toBe("RIFF");
    expect(new TextDecoder().decode(bytes.subarray(8, 16))).toBe("WAVEfmt ");
    expect(bytes.length).toBe(48);
  });
  it("and packets hold the same numbers", async () => {
    const samples = Float32Array.of(0.25, -0.5);
    const file = new Uint8Array(await wav(samples, 16_000).arrayBuffer()), packet = new Uint8Array(speechPacket(samples));
    expect(Array.from(file.subarray(44))).toEqual(Array.from(packet.subarray(13)));
  });
});
