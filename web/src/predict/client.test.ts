// The client against a server that writes down what it gets, and a WebSocket that plays a prediction.
import { type Server, createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PredictionError, type PredictionEvent, follow, predict, readEvent } from "./client";

let server: Server, url: string, asked: unknown[], answer: [number, unknown, Record<string, string>];
let played: (string | ArrayBuffer)[], sent: string[], opened: string[];

/** Plays what there is as soon as it is opened; closes after it. */
class Playing {
  binaryType = "blob";
  readyState = 1;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  constructor(address: URL) {
    opened.push(address.href);
    setTimeout(() => {
      for (const data of played) this.onmessage?.({ data });
      this.onclose?.({ code: 1000, reason: "" });
    });
  }
  send(text: string): void { sent.push(text); }
  close(): void { this.readyState = 3; }
}
const Socket = Playing as unknown as typeof WebSocket;

beforeEach(async () => {
  asked = []; sent = []; opened = [];
  answer = [200, { session_id: "a-b" }, {}];
  server = createServer((request, response) => void (async () => {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of request) pieces.push(piece);
    asked.push(JSON.parse(await new Blob(pieces).text()));
    response.writeHead(answer[0], answer[2]).end(JSON.stringify(answer[1]));
  })());
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  url = `http://127.0.0.1:${server.address().port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise<void>((closed) => server.close(closed));
});

const frame = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xd8).buffer;
const whole = [
  JSON.stringify({ type: "thinking_start" }), JSON.stringify({ type: "text_chunk", content: "a ball", done: true }), frame,
  JSON.stringify({ type: "video_complete", video_url: "/api/videos/a-b.mp4" }),
  JSON.stringify({ type: "thinking_complete", text: "a ball", video_url: "/api/videos/a-b.mp4" }),
];
const all = async (events: AsyncGenerator<PredictionEvent, void>): Promise<PredictionEvent[]> => {
  const found: PredictionEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
};

describe("the client of predictions", () => {
  it("asks for what is wanted and tells what comes", async () => {
    played = whole;
    const events = await all(predict(Uint8Array.of(1, 2, 3), "what?", { serverUrl: `${url}/`, preset: "256", seed: 7, Socket }));
    expect(asked).toEqual([{ image: "AQID", prompt: "what?", preset: "256", seed: 7 }]);
    expect(opened).toEqual([`${url.replace("http", "ws")}/api/ws/a-b?frames=binary`]);
    expect(events.map(({ type }) => type)).toEqual(["thinking_start", "text_chunk", "video_frame", "video_complete", "thinking_complete"]);
    expect(events[1]).toEqual({ type: "text_chunk", content: "a ball", done: true });
    expect(events[2]).toEqual({ type: "video_frame", frame_index: 1, total_frames: 9, jpeg: Uint8Array.of(0xff, 0xd8) });
    expect(events[4]).toMatchObject({ video_url: `${url}/api/videos/a-b.mp4` });
    expect(sent).toEqual([]);
  });

  it("passes on what the server warns of", async () => {
    played = whole;
    answer[1] = { session_id: "a-b", warnings: ["the model was trained for 128x128"] };
    const warnings: string[] = [];
    await all(predict(Uint8Array.of(1), "", { serverUrl: url, onWarning: (warning) => warnings.push(warning), Socket }));
    expect(warnings).toEqual(["the model was trained for 128x128"]);
  });

  it("asks for one half with the pictures before, and tells how far it is", async () => {
    played = [
      JSON.stringify({ type: "thinking_start" }), JSON.stringify({ type: "video_progress", step: 1, steps: 4 }),
      JSON.stringify({ type: "video_progress", step: 2, steps: 4, frame_index: 8, data: "/9g=" }), JSON.stringify({ type: "thinking_complete", text: "", video_url: null }),
    ];
    const events = await all(predict(Uint8Array.of(3), "", { serverUrl: url, tracks: "video", previews: 2, earlierPictures: [Uint8Array.of(1), new Blob([Uint8Array.of(2)])], Socket }));
    expect(asked).toEqual([{ image: "Aw==", earlier_images: ["AQ==", "Ag=="], tracks: "video", previews: 2 }]);
    expect(events.slice(1, 3)).toEqual([
      { type: "video_progress", step: 1, steps: 4, preview: null },
      { type: "video_progress", step: 2, steps: 4, preview: { frame_index: 8, jpeg: Uint8Array.of(0xff, 0xd8) } },
    ]);
  });

  it("cancels when its signal is aborted, and still tells what there is", async () => {
    played = whole;
    const asking = new AbortController();
    const events: PredictionEvent[] = [];
    for await (const event of follow("a-b", { serverUrl: url, Socket, signal: asking.signal })) {
      events.push(event);
      if (event.type === "text_chunk") asking.abort();
    }
    expect(sent).toEqual(['{"type":"cancel"}']);
    expect(events.at(-1)).toMatchObject({ type: "thinking_complete" });
  });

  it("cancels a prediction that is left early", async () => {
    played = whole;
    for await (const event of follow("a-b", { serverUrl: url, Socket })) if (event.type === "text_chunk") break;
    expect(sent).toEqual(['{"type":"cancel"}']);
  });

  it("says why it is refused, and when to ask again", async () => {
    answer = [429, { detail: { error: "too many", code: "BUSY" } }, { "Retry-After": "3" }];
    const refused = await all(predict(new Blob([]), "", { serverUrl: url, Socket })).catch((error: unknown) => error);
    expect(refused).toMatchObject({ detail: "too many", code: "BUSY", status: 429, retryAfter: 3 });
    answer = [422, { detail: [{ loc: ["body", "image"], msg: "Field required" }] }, {}];
    await expect(all(predict(new Blob([]), "", { serverUrl: url, Socket }))).rejects.toThrow("image: Field required");
    answer = [422, { detail: [{ loc: ["body"], msg: "Value error, the prompt has 9000 tokens" }] }, {}];
    await expect(all(predict(new Blob([]), "", { serverUrl: url, Socket }))).rejects.toThrow(/^Value error, the prompt has 9000 tokens$/);
  });

  it("does not take a lost connection for the end", async () => {
    played = whole.slice(0, 2);
    await expect(all(follow("a-b", { serverUrl: url, Socket }))).rejects.toBeInstanceOf(PredictionError);
  });

  it("keeps a video that there is not", () => {
    expect(readEvent('{"type":"thinking_complete","text":"a","video_url":null}', url)).toEqual({ type: "thinking_complete", text: "a", video_url: null });
  });
});
