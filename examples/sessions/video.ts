// A video that is steered while it is made, and forked: video.mp4 and fork.mp4.
import { call, download, events, modelThat } from "./sessions.ts";

const FIRST = "a red circle moves right on a blue background";
const THEN = "a green star spins on a blue background";
const INSTEAD = "a yellow square grows on a black background";

const waitFor = async (session: string, prompt: string): Promise<void> => {
  for await (const event of events(session)) {
    if (event.type !== "frame_block") continue;
    console.log(`${session.slice(0, 6)}: ${event.video_frames} frames at ${event.at_s.toFixed(1)} s: ${event.prompt}`);
    if (event.prompt === prompt) return;
  }
};

const main = async (): Promise<void> => {
  // Endless, at most two seconds ahead of whoever watches: it can be steered at any time.
  const video = await call("POST", "/v1/sessions", { model: await modelThat("video", "text"), prompt: FIRST, segments: 0, max_lead: 2 });
  if (video.unknown_words.length > 0) console.log("The model was not trained with", video.unknown_words);
  await waitFor(video.id, FIRST);

  await call("POST", `/v1/sessions/${video.id}/prompt`, { prompt: THEN }); // from the next block on
  await waitFor(video.id, THEN);

  const fork = await call("POST", `/v1/sessions/${video.id}/fork`, { prompt: INSTEAD }); // begins with the same frames
  await waitFor(fork.id, INSTEAD);

  for (const [{ id }, file] of [[video, "video.mp4"], [fork, "fork.mp4"]] as const) {
    await call("POST", `/v1/sessions/${id}/stop`);
    await download(id, file);
    console.log(file);
  }
};
void main();
