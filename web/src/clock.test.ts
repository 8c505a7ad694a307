import { expect, it } from "vitest";
import { clock } from "./clock";

it("a player's clock has minutes, seconds and tenths", () => {
  expect([0, 0.95, 5.1, 59.99, 60, 725.26, -1, NaN].map(clock)).toEqual(["0:00.0", "0:00.9", "0:05.1", "0:59.9", "1:00.0", "12:05.2", "0:00.0", "0:00.0"]);
});
