// Why something did not work, in plain words.
import { PredictionError } from "./client";

export function reasonOf(error: unknown): string {
  if (!(error instanceof PredictionError))
    return error instanceof TypeError ? "The server cannot be reached. Is it still running?" : sentence(error instanceof Error ? error.message : String(error));
  const { code, status, detail, retryAfter } = error;
  if (code === "BUSY") return `The server is busy. Try again ${retryAfter === null ? "in a moment" : `in ${retryAfter} s`}.`;
  if (code === "NOT_READY") return "The model was still being loaded.";
  if (code === "FILE_TOO_LARGE") return "The pictures are too large for the server. Take fewer or smaller ones.";
  if (code === "INVALID_IMAGE" || code === "INVALID_BASE64") return sentence(`the picture cannot be used: ${detail}`);
  if (status === 401 || status === 403) return "The server asks for a token: reload the page to give it.";
  if (status === 404) return "This server makes no predictions.";
  if (status === 422 && detail.startsWith("prompt:")) return "The question is too long, or has characters that cannot be read.";
  // A page of a proxy, or a document for programs.
  if (/^\s*[<{[]/.test(detail)) return `The server answered with ${status}.`;
  return sentence(detail);
}

/** Of a half that failed while it was made. */
export const failureOf = (message: string, code: string): string => (code === "CANCELLED" ? "Cancelled." : sentence(message));

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
