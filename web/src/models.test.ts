import { describe, expect, it } from "vitest";
import type { ModelInfo } from "./api";
import { chosenFor, firstView, modelsFor } from "./models";

const model = (name: string, of: Partial<ModelInfo> = {}): ModelInfo => ({
  name, description: "", isDefault: false, state: "unloaded", failure: "", takesPrompts: false, hears: false, answers: false, needsImage: false,
  makesVideo: true, options: new Set(), presets: [], trainedFor: null, words: [], readsOnePicture: false, isDriven: false, steps: 0, controls: [], settings: [], portraits: [], speech: [], ...of,
});
const models = [
  model("small", { takesPrompts: true }), model("large", { takesPrompts: true, isDefault: true, state: "loaded" }),
  model("head", { hears: true, state: "loading" }), model("seer", { takesPrompts: true, answers: true }),
  model("other seer", { takesPrompts: true, answers: true, state: "failed" }),
];

describe("models", () => {
  it("are offered for what they can do before they are loaded, the default first", () => {
    expect(modelsFor("video", models).map(({ name }) => name)).toEqual(["large", "small"]);
    expect(modelsFor("talk", models).map(({ name }) => name)).toEqual(["head"]);
    expect(modelsFor("predict", models).map(({ name }) => name)).toEqual(["seer", "other seer"]);
  });

  it("stay chosen as long as they are there", () => {
    expect(chosenFor("video", models, undefined)?.name).toBe("large");
    expect(chosenFor("video", models, "small")?.name).toBe("small");
    expect(chosenFor("video", models, "gone")?.name).toBe("large");
    expect(chosenFor("talk", [], "head")).toBeNull();
  });

  it("open the view of the server's default, else of what there is", () => {
    expect(firstView(models)).toBe("video");
    const head = model("head", { hears: true }), seer = model("seer", { takesPrompts: true, answers: true, isDefault: true });
    expect(firstView([head, seer])).toBe("predict");
    expect(firstView([head])).toBe("talk");
    expect(firstView([])).toBe("video");
  });
});
