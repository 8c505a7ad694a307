import { describe, expect, it, vi } from "vitest";
import type { Control } from "./api";
import { type Choices, type Preset, allowed, changed, chosenPreset, inOrder, presetsOf, withPreset, withoutPreset } from "./settings";

const control = (name: string, of: Partial<Control> = {}): Control => ({ name, doc: "", kind: "number", least: 1, most: 200, whole: true, choices: [], standard: 4, ...of });
const steps = control("steps"), guidance = control("guidance_scale", { whole: false, least: 0, standard: 3 });
const solver = control("solver", { kind: "choice", choices: ["few_step", "euler"], standard: "few_step" });
const tiles = control("tiles", { kind: "switch", standard: null }), avoid = control("negative_prompt", { kind: "text", standard: "" });

describe("settings", () => {
  it("are the options that cannot change later and that a form can show, and the frame rate", async () => {
    vi.stubGlobal("location", { href: "http://127.0.0.1/" });
    const { toModel } = await import("./api");
    const option = { doc: "", default: null };
    const model = toModel({
      name: "m", description: "", default: true, state: "loaded", error: null, trained_for: null, examples: null,
      capabilities: { takes: ["text"], needs: ["text"], feeds: [], yields: ["video"] },
      options: [
        { ...option, name: "steps", type: "integer", least: 1, most: 200, default: 4 }, { ...option, name: "list", type: "numbers", least: 0, most: 1 },
        { ...option, name: "gaze", type: "number", least: 0, most: 1, live: true }, { ...option, name: "rows", type: "text", json: true },
        { ...option, name: "avoid", type: "text" }, { ...option, name: "fit", type: "choice", choices: ["a", "b"] },
      ],
    });
    expect(model.settings.map(({ name, kind }) => [name, kind])).toEqual([["fps", "number"], ["steps", "number"], ["avoid", "text"], ["fit", "choice"]]);
    expect(model.controls.map(({ name, kind }) => [name, kind])).toEqual([["gaze", "slider"]]);
  });
  it("begin with what most people look for", () => {
    expect(inOrder([solver, avoid, tiles, steps, control("fps")]).map(({ name }) => name)).toEqual(["fps", "steps", "negative_prompt", "solver", "tiles"]);
  });
  it("that the model does not know or allow are not sent", () => {
    const kept = { steps: 500, guidance_scale: 1.5, solver: "gone", tiles: true, negative_prompt: "fog", sink: 3 };
    expect(allowed([steps, guidance, solver, tiles, avoid], kept)).toEqual({ guidance_scale: 1.5, tiles: true, negative_prompt: "fog" });
    expect(allowed([steps], { steps: 2.5 })).toEqual({});
    expect(allowed([steps], undefined)).toEqual({});
  });
  it("are forgotten when they are what the model has anyhow", () => {
    expect(changed({ steps: 2 }, guidance, 5)).toEqual({ steps: 2, guidance_scale: 5 });
    expect(changed({ steps: 2, guidance_scale: 5 }, guidance, 3)).toEqual({ steps: 2 });
    expect(changed({ steps: 2 }, steps, null)).toEqual({});
    expect(changed({}, tiles, false)).toEqual({ tiles: false });
  });
});

describe("presets", () => {
  const choices: Choices = { segments: 3, pacing: "realtime", size: "", options: { steps: 2, solver: "euler" } };
  const slow: Preset = { name: "slow", model: "m", ...choices };
  it("are chosen by what they set, in any order", () => {
    expect(chosenPreset([slow], { ...choices, options: { solver: "euler", steps: 2 } })).toBe(slow);
    expect(chosenPreset([slow], { ...choices, segments: 1 })).toBeNull();
    expect(chosenPreset([slow], { ...choices, options: {} })).toBeNull();
  });
  it("belong to a model, and one that is saved takes the place of its namesake", () => {
    const other: Preset = { ...slow, model: "n" }, fast: Preset = { ...slow, options: {} };
    const kept = withPreset(withPreset([slow], other), fast);
    expect(presetsOf(kept, "m")).toEqual([fast]);
    expect(presetsOf(kept, "n")).toEqual([other]);
    expect(withoutPreset(kept, slow)).toEqual([other]);
  });
  it("that are damaged are passed over", () => {
    expect(presetsOf([null, 3, { name: "a" }, slow], "m")).toEqual([slow]);
    expect(withPreset([null], slow)).toEqual([null, slow]);
  });
});
