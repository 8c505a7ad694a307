// A portrait says what a sound file has, while it is still being sent: talk.ts face.png speech.wav, gives talk.mp4.
import { readFile } from "node:fs/promises";
import { call, download, events, modelThat } from "./sessions.ts";

const PIECE = 16_384; // bytes: half a second of 16 kHz

const main = async (face: Uint8Array, speech: Uint8Array): Promise<void> => {
  const image = btoa(Array.from(face, (byte) => String.fromCharCode(byte)).join(""));
  const talker = await call("POST", "/v1/sessions", { model: await modelThat("video", "audio"), image });

  for (let begin = 0; begin < speech.length; begin += PIECE) {
    const end = begin + PIECE >= speech.length; // of what is said
    await call("POST", `/v1/sessions/${talker.id}/audio?end=${end}`, speech.subarray(begin, begin + PIECE));
  }
  for await (const event of events(talker.id)) {
    if (event.type === "frame_block") console.log(`${event.video_frames} frames at ${event.at_s.toFixed(1)} s`);
    if (event.type === "utterance_ended") break;
  }
  await call("POST", `/v1/sessions/${talker.id}/stop`); // else it waits for more to say
  await download(talker.id, "talk.mp4");
};
const [face, speech] = process.argv.slice(2);
void Promise.all([readFile(face!), readFile(speech!)]).then(([a, b]) => main(a, b));
