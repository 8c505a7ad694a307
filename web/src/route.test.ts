import { describe, expect, it } from "vitest";
import { addressOf, rootOf, routeOf } from "./route";

const HERE = ["http://127.0.0.1:8000/", "https://example.org/rushes/"];

describe("the address of a session", () => {
  it("begins where the page does, also below a path of a proxy", () => {
    for (const root of HERE) {
      const address = addressOf(root, { session: "0f6c" });
      expect(address).toBe(`${root}s/0f6c`);
      expect(rootOf(address)).toBe(root);
      expect(routeOf(address)).toEqual({ view: "video", session: "0f6c", beside: [] });
    }
  });
  it("may name those that are shown beside it", () => {
    for (const root of HERE) {
      const address = addressOf(root, { session: "0f6c", beside: ["a1", "b2"] });
      expect(address).toBe(`${root}s/0f6c?beside=a1,b2`);
      expect(rootOf(address)).toBe(root);
      expect(routeOf(address)).toEqual({ view: "video", session: "0f6c", beside: ["a1", "b2"] });
      expect(routeOf(`${root}s/0f6c?beside=a1%2Cb2`).beside).toEqual(["a1", "b2"]);
      expect(routeOf(`${root}s/0f6c?beside=0f6c,a1,a1,../x,,b2,c3,d4`).beside, "each once, four in all").toEqual(["a1", "b2", "c3"]);
      expect(routeOf(`${root}?beside=a1`).beside).toEqual([]);
    }
  });
});

describe("the address of the page", () => {
  it("may name what is made there", () => {
    for (const root of HERE) {
      expect(rootOf(`${root}?token=x#talk`)).toBe(root);
      expect(routeOf(addressOf(root, { view: "talk" }))).toEqual({ view: "talk", session: null, beside: [] });
      expect(routeOf(addressOf(root, {}))).toEqual({ view: null, session: null, beside: [] });
      expect(routeOf(`${root}#nothing`)).toEqual({ view: null, session: null, beside: [] });
    }
  });
});
