import { describe, expect, it } from "vitest";
import { unknownIn, withWords } from "./known_words";

const KNOWN = ["a", "red", "circle", "t-shirt", "moves", "to the left"];

describe("words that a model does not know", () => {
  it("are those of no phrase, each once, whatever their case and punctuation", () => {
    expect(unknownIn(KNOWN, "A RED circle, “moves” (to the left)! T-Shirt")).toEqual([]);
    expect(unknownIn(KNOWN, "a cat; the cat's dog moves.")).toEqual(["cat", "cat's", "dog"]);
    expect(unknownIn(KNOWN, "猫 red")).toEqual(["猫"]);
  });

  it("are not told of a model that lists none", () => {
    expect(unknownIn([], "a cat")).toEqual([]);
  });

  it("are told when they can no longer become known ones", () => {
    expect(unknownIn(KNOWN, "a cir")).toEqual([]);
    expect(unknownIn(KNOWN, "a cir ")).toEqual(["cir"]);
    expect(unknownIn(KNOWN, "a cit")).toEqual(["cit"]);
    expect(unknownIn(KNOWN, "'")).toEqual([]);
  });
});

describe("a chip's words", () => {
  it("go behind the text", () => {
    expect(withWords("", "a")).toBe("a");
    expect(withWords("a red ", "circle")).toBe("a red circle");
  });
});
