// Requests to a server's session API, and the events of a session: all that a client needs.
import { writeFile } from "node:fs/promises";

const server = process.env["SERVER"] ?? "http://127.0.0.1:8000";

export interface Session { id: string; unknown_words: string[] }
export type Event =
  | { type: "frame_block"; at_s: number; video_frames: number; prompt: string }
  | { type: "text_chunk"; text: string }
  | { type: "utterance_ended" }
  | { type: "state"; state: string };
interface Models { models: { name: string; capabilities: { yields: string[]; feeds: string[] } }[] }

const reach = async (path: string, request: RequestInit = {}): Promise<Response> => {
  const answer = await fetch(server + path, request);
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
};

/** The answer of a route. `body`: bytes as they are, anything else as JSON. */
export const call = async <T = Session>(method: string, path: string, body?: object): Promise<T> =>
  await (await reach(path, { method, body: body instanceof Uint8Array ? body as Uint8Array<ArrayBuffer> : JSON.stringify(body) })).json() as T;

/** The name of the server's first model that makes `yields` and takes `feeds` while it runs; null: whatever it takes. */
export const modelThat = async (yields: string, feeds: string | null): Promise<string> => {
  const { models } = await call<Models>("GET", "/v1/models");
  const found = models.find(({ capabilities: can }) => can.yields.includes(yields) && (feeds === null || can.feeds.includes(feeds)));
  if (!found) throw new Error(`${server} has no model that makes ${yields} of ${feeds}`);
  return found.name;
};

/** What happens in a session, from its beginning to its end, as it happens. */
export async function* events(session: string): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  const reader = (await reach(`/v1/sessions/${session}/stream.ndjson?video=none`)).body!.getReader();
  try {
    let text = "";
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      const lines = (text + decoder.decode(value, { stream: true })).split("\n");
      text = lines.pop()!;
      for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as Event;
    }
  } finally {
    await reader.cancel();
  }
}

/** All of the video, to its end. */
export const download = async (session: string, file: string): Promise<void> =>
  writeFile(file, new Uint8Array(await (await reach(`/v1/sessions/${session}/video.mp4`)).arrayBuffer()));
