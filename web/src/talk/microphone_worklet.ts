// Runs on the audio thread: the microphone's samples at 16 kHz, in pieces of 20 ms. What lies beyond half that rate was
// filtered out before.
declare const sampleRate: number;
declare class AudioWorkletProcessor { readonly port: MessagePort; }
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const OUT_HZ = 16_000, PIECE = 320;

class Microphone extends AudioWorkletProcessor {
  #piece = new Float32Array(PIECE);
  #filled = 0;
  #at = 0;  // where the next sample lies, counted from the last one of the block before
  #last = 0;

  process(inputs: Float32Array[][]): boolean {
    const input = inputs[0]?.[0];
    if (!input) return true;
    const step = sampleRate / OUT_HZ;
    for (; this.#at < input.length; this.#at += step) {
      const index = Math.floor(this.#at), part = this.#at - index;
      const before = index === 0 ? this.#last : input[index - 1]!;
      this.#piece[this.#filled++] = before + (input[index]! - before) * part;
      if (this.#filled < PIECE) continue;
      this.port.postMessage(this.#piece, [this.#piece.buffer]);
      this.#piece = new Float32Array(PIECE);
      this.#filled = 0;
    }
    this.#at -= input.length;
    this.#last = input[input.length - 1]!;
    return true;
  }
}

registerProcessor("microphone", Microphone);
