// A question about a picture, answered word by word: question.ts picture.png "What will happen?".
import { readFile } from "node:fs/promises";
import { call, events, modelThat } from "./sessions.ts";

const main = async (picture: string, question: string): Promise<void> => {
  const image = btoa(Array.from(await readFile(picture), (byte) => String.fromCharCode(byte)).join(""));
  const asked = { model: await modelThat("text", null), image, prompt: question, tracks: "text" }; // without "tracks" it makes a video, too
  const { id } = await call("POST", "/v1/sessions", asked);
  for await (const event of events(id)) if (event.type === "text_chunk") process.stdout.write(event.text);
  process.stdout.write("\n");
};
void main(process.argv[2]!, process.argv[3]!);
