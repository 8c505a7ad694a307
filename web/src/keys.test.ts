import { describe, expect, it } from "vitest";
import { KEYS, keyAction } from "./keys";

const pressed = (key: string, target: object | null = { tagName: "BODY" }, held = {}): Parameters<typeof keyAction>[0] =>
  ({ key, ctrlKey: false, altKey: false, metaKey: false, target: target as EventTarget | null, ...held });

describe("keys", () => {
  it("move the video, in either case of letters", () => {
    expect(keyAction(pressed(" "))).toEqual({ type: "toggle" });
    expect(keyAction(pressed("K"))).toEqual({ type: "toggle" });
    expect(keyAction(pressed("ArrowLeft"))).toEqual({ type: "skip", seconds: -1 });
    expect(keyAction(pressed("x"))).toBeNull();
    expect(new Set(KEYS.flatMap(({ keys }) => keys)).size).toBe(KEYS.flatMap(({ keys }) => keys).length);
  });
  it("are letters where words are typed", () => {
    for (const target of [{ tagName: "TEXTAREA" }, { tagName: "INPUT", type: "search" }, { tagName: "SELECT" }, { tagName: "P", isContentEditable: true }])
      for (const { keys } of KEYS) for (const key of keys) expect(keyAction(pressed(key, target))).toBeNull();
  });
  it("press buttons and move sliders that have the focus", () => {
    expect(keyAction(pressed(" ", { tagName: "BUTTON" }))).toBeNull();
    expect(keyAction(pressed("f", { tagName: "BUTTON" }))).toEqual({ type: "full_screen" });
    expect(keyAction(pressed("ArrowRight", { tagName: "INPUT", type: "range" }))).toBeNull();
    expect(keyAction(pressed("m", { tagName: "INPUT", type: "range" }))).toEqual({ type: "mute" });
  });
  it("that are held with others are the browser's", () => {
    for (const held of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) expect(keyAction(pressed("f", null, held))).toBeNull();
  });
});
