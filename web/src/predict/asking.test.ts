import { describe, expect, it } from "vitest";
import { whenLoaded } from "./asking";
import { PredictionError } from "./client";

const notReady = (): Promise<string> => Promise.reject(new PredictionError("being loaded", "NOT_READY", 503, 0));

describe("a question to a model that is being loaded", () => {
  it("is asked again until the model is there", async () => {
    let asked = 0;
    const start = (): Promise<string> => (++asked < 3 ? notReady() : Promise.resolve("a session"));
    expect(await whenLoaded(start, new AbortController().signal)).toBe("a session");
    expect(asked).toBe(3);
  });

  it("is not asked again when it was cancelled, or refused for another reason", async () => {
    const cancelled = new AbortController();
    cancelled.abort();
    await expect(whenLoaded(notReady, cancelled.signal)).rejects.toThrow("NOT_READY");
    await expect(whenLoaded(() => Promise.reject(new PredictionError("torn", "INTERNAL_ERROR", 500)), new AbortController().signal)).rejects.toThrow("torn");
  });
});
