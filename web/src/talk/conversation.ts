// A portrait that talks, live: speech goes out over a WebSocket as it is said, and silence while nobody speaks; the video
// with its sound comes back as any other and is played near its newest moment.
import { type Source, play } from "../player";
import { openAudioSocket } from "./audio_socket";
import { LagMeter } from "./lag";
import { Pace } from "./pace";
import { SPEECH_HZ, peak } from "./packets";

const TICK_MS = 40;
/** Of the sound that is looked at for each measurement: 43 ms at 48 kHz. */
const MEASURED_SAMPLES = 2048;

export interface Figures {
  /** From speaking to hearing, the newest measurement. */
  lagSeconds: number | null;
  /** From the start of the conversation to the first picture on the screen. */
  firstPictureSeconds: number | null;
  /** That were shown. */
  pictures: number;
}

export interface Conversation {
  /** What comes next of the speech, one channel at 16 kHz. */
  speak: (samples: Float32Array) => void;
  /** The portrait listens. Never done if the conversation ends before. */
  ready: Promise<void>;
  mute: (muted: boolean) => void;
  end: () => void;
}

interface Events {
  onFigures: (figures: Figures) => void;
  /** Once. null: as it should be. */
  onEnd: (reason: string | null) => void;
}

/** Where a session's video comes from and its speech goes to: PCM at 16 kHz. */
export interface Line extends Source {
  speech: string;
}

/**
 * Shows the video in `stage` until the conversation ends. To be called from a click: browsers play no sound otherwise.
 * `line`: once there is a session.
 */
export function converse(stage: HTMLElement, line: Promise<Line>, events: Events): Conversation {
  const begun = performance.now();
  const figures: Figures = { lagSeconds: null, firstPictureSeconds: null, pictures: 0 };
  let ended = false;

  const video = document.createElement("video");
  video.autoplay = video.playsInline = true;
  video.setAttribute("aria-label", "The talking head");
  stage.append(video);

  // What is heard goes through here, so that it can be measured.
  const context = new AudioContext({ latencyHint: "interactive" });
  const analyser = new AnalyserNode(context, { fftSize: MEASURED_SAMPLES });
  const volume = new GainNode(context);
  new MediaElementAudioSourceNode(context, { mediaElement: video }).connect(analyser).connect(volume).connect(context.destination);
  const lag = new LagMeter();
  const heard = new Float32Array(MEASURED_SAMPLES);
  const measure = (): void => {
    frame = requestAnimationFrame(measure);
    analyser.getFloatTimeDomainData(heard);
    const measured = lag.played(peak(heard), performance.now() / 1000 + (context.outputLatency || 0));
    if (measured === null) return;
    figures.lagSeconds = measured;
    events.onFigures({ ...figures });
  };
  let frame = requestAnimationFrame(measure);

  const count = (_now: number, metadata: VideoFrameCallbackMetadata): void => {
    if (ended) return;
    figures.firstPictureSeconds ??= (performance.now() - begun) / 1000;
    figures.pictures = metadata.presentedFrames;
    events.onFigures({ ...figures });
    video.requestVideoFrameCallback(count);
  };
  video.requestVideoFrameCallback(count);

  const finish = (reason: string | null): void => {
    if (ended) return;
    ended = true;
    window.clearInterval(timer);
    cancelAnimationFrame(frame);
    socket.close();
    stopPlaying();
    video.remove();
    void context.close();
    events.onEnd(reason);
  };
  const stopPlaying = play(video, line, { onError: finish }, { live: true });
  void video.play().catch(() => undefined);

  let pace: Pace | null = null;
  let opened = (): void => undefined;
  const ready = new Promise<void>((resolve) => { opened = resolve; });
  const socket = openAudioSocket(line.then(({ speech }) => speech), {
    onOpen: () => {
      pace = new Pace(SPEECH_HZ, performance.now() / 1000);
      opened();
    },
    onEnd: finish,
  });
  /** Seconds of sound that went out and have not come back. */
  const behind = (): number => socket.sent / SPEECH_HZ - (video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) : 0);
  const timer = window.setInterval(() => {
    const silence = pace?.silence(performance.now() / 1000, behind()) ?? 0;
    if (silence > 0) socket.speak(new Float32Array(silence));
  }, TICK_MS);

  return {
    speak: (samples) => {
      const now = performance.now() / 1000;
      lag.sent(peak(samples), now);
      pace?.spoke(samples.length, now);
      socket.speak(samples);
    },
    ready,
    mute: (muted) => { volume.gain.value = muted ? 0 : 1; },
    end: () => finish(null),
  };
}
