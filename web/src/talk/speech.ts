// Where speech comes from: the microphone, or a sound file that is spoken as fast as it would be heard.
import worklet from "./microphone_worklet.ts?worker&url";
import { mixedDown } from "./mix";
import { SPEECH_HZ } from "./packets";

export interface Microphone {
  close: () => void;
}

/** Asks the person for leave. Throws Error in words for people. `onSamples` gets one channel at 16 kHz. */
export async function openMicrophone(onSamples: (samples: Float32Array) => void): Promise<Microphone> {
  // Browsers hide the microphone from pages that came without encryption, unless they came from this machine.
  if (!navigator.mediaDevices) throw new Error("The microphone works only if the page was loaded over https or from 127.0.0.1. Choose an audio file instead.");
  const stream = await navigator.mediaDevices
    .getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 } })
    .catch((error: unknown) => {
      const name = error instanceof DOMException ? error.name : "";
      throw new Error(name === "NotAllowedError" ? "The browser does not have permission to use the microphone. Allow it next to the page's address, or choose an audio file."
        : name === "NotFoundError" ? "This machine has no microphone. Choose an audio file."
        : `The microphone cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
    });
  const context = new AudioContext();
  const close = (): void => {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
  };
  try {
    await context.audioWorklet.addModule(worklet);
    const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = (message: MessageEvent<Float32Array>) => onSamples(message.data);
    const source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
    const filters = [0.54, 1.31].map((Q) => new BiquadFilterNode(context, { type: "lowpass", frequency: 7_000, Q: 20 * Math.log10(Q) }));
    source.connect(filters[0]!).connect(filters[1]!).connect(node);
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

/** The sound of a file as one channel at 16 kHz. Throws Error if the browser cannot read it. */
export async function readSound(file: Blob): Promise<Float32Array> {
  const context = new OfflineAudioContext(1, 1, SPEECH_HZ);
  const sound = await context.decodeAudioData(await file.arrayBuffer()).catch(() => {
    throw new Error("The browser cannot read audio from this file. WAV, MP3, FLAC, Ogg and Opus work.");
  });
  return mixedDown(Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel)));
}

/** Gives out the samples at their time; the returned function stops that. */
export function speakAtItsTime(samples: Float32Array, speak: (samples: Float32Array) => void, onEnd: () => void): () => void {
  const TICK_MS = 20, MOST_AT_ONCE = SPEECH_HZ / 2;
  let begin = performance.now(), sent = 0;
  const timer = window.setInterval(() => {
    const due = Math.floor(((performance.now() - begin) / 1000) * SPEECH_HZ);
    // Tabs in the background are woken seldom: the speech then pauses instead of coming in bursts.
    if (due - sent > MOST_AT_ONCE) begin += ((due - sent - MOST_AT_ONCE) / SPEECH_HZ) * 1000;
    const end = Math.min(samples.length, due, sent + MOST_AT_ONCE);
    speak(samples.subarray(sent, end));
    sent = end;
    if (sent < samples.length) return;
    window.clearInterval(timer);
    onEnd();
  }, TICK_MS);
  return () => window.clearInterval(timer);
}
