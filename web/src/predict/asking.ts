// Asks the server and tells the page what comes: the one place between the client's events and the state.
import { PredictionError, type PredictionEvent, type Preset, begin, follow } from "./client";
import { type ChosenPicture, smaller } from "./pictures";
import { failureOf, reasonOf } from "./reasons";
import type { Action, Half, Question } from "./state";

const LOST_TRIES = 4;
const FIRST_PAUSE_MS = 250;

export interface Server {
  serverUrl: string;
  token?: string;
}

export interface Ask {
  id: string;
  halves: Half[];
  question: Question;
  pictures: ChosenPicture[];
  /** Denoising steps between two looks at the video; 0: none. */
  previews: number;
  /** Aborted: it is cancelled. */
  signal: AbortSignal;
}

type Tell = (action: Action) => void;

/** Until there is no more to come. What goes wrong is told, not thrown. */
export async function ask(server: Server, { id, halves, question, pictures, previews, signal }: Ask, tell: Tell): Promise<void> {
  const clicked = performance.now();
  const warnings: string[] = [];
  try {
    const start = (): Promise<string> => begin(pictures.at(-1)!.blob, question.text, {
      ...server, seed: question.seed, previews, onWarning: (warning) => warnings.push(warning),
      ...(question.model !== undefined && { model: question.model }),
      ...(question.preset !== "" && { preset: question.preset as Preset }),
      ...(halves.length === 1 && { tracks: halves[0]! }),
      earlierPictures: pictures.slice(0, -1).map(({ blob }) => blob),
    });
    const session = await whenLoaded(start, signal);
    tell({ type: "begun", id, session, warnings });
    await watch(server, { id, session, clicked, signal }, tell);
  } catch (error) {
    tell({ type: "lost", id, reason: reasonOf(error) });
  }
}

/** A large model is loaded by the first question, which is then asked again until it is there. */
export async function whenLoaded(start: () => Promise<string>, signal: AbortSignal): Promise<string> {
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof PredictionError) || error.code !== "NOT_READY" || signal.aborted) throw error;
      await new Promise((over) => setTimeout(over, 1000 * (error.retryAfter ?? 1)));
    }
  }
}

/** One that has been begun, perhaps before the page was loaded: then `clicked` is less than 0. A lost connection is made again. */
export async function watch(server: Server, { id, session, clicked, signal }: { id: string; session: string; clicked: number; signal: AbortSignal }, tell: Tell): Promise<void> {
  for (let tries = 0; ; ++tries) {
    try {
      for await (const event of follow(session, { ...server, signal })) {
        tries = 0;
        tellEvent(id, event, performance.now() - clicked, tell);
      }
      return;
    } catch (error) {
      if (!(error instanceof PredictionError) || tries === LOST_TRIES) {
        tell({ type: "lost", id, reason: error instanceof PredictionError ? "The connection was lost, or the server no longer has this prediction." : reasonOf(error) });
        return;
      }
      await new Promise((over) => setTimeout(over, FIRST_PAUSE_MS * 2 ** tries));
    }
  }
}

function tellEvent(id: string, event: PredictionEvent, ms: number, tell: Tell): void {
  const jpeg = event.type === "video_frame" ? event.jpeg : event.type === "video_progress" ? event.preview?.jpeg : undefined;
  const blob = jpeg && new Blob([jpeg], { type: "image/jpeg" });
  if (event.type === "error") event = { ...event, message: failureOf(event.message, event.code) };
  tell({ type: "event", id, event, picture: blob ? URL.createObjectURL(blob) : null, ms });
  if (blob && event.type === "video_frame" && event.frame_index === event.total_frames - 1)
    smaller(blob).then((small) => tell({ type: "last_frame", id, small }), () => undefined);
}
