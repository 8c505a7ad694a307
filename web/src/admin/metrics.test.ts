import { describe, expect, it } from "vitest";
import { HOUR_MS, type Sample, bytes, curveOf, drawnCurve, labelOf, parseMetrics, sampleOf, shown, spanOf, withSample } from "./metrics";

const TEXT = `# HELP rushes_sessions Sessions that the server knows.
# TYPE rushes_sessions gauge
rushes_sessions{state="running"} 2
rushes_sessions{state="finished"} 5
rushes_build_info{version="0.9",instruction_set="AVX-512"} 1
rushes_device_busy_seconds_total 30
rushes_device_lanes 2
rushes_video_frames_total 1.5e3
`;

const sample = (at: number, frames = 0): Sample => sampleOf(parseMetrics(`rushes_video_frames_total ${frames}\nrushes_queue_sessions ${frames}`), at);

describe("metrics", () => {
  it("are read by name and by label, those with labels also summed", () => {
    const metrics = parseMetrics(TEXT);
    expect(metrics['rushes_sessions{state="running"}']).toBe(2);
    expect(metrics["rushes_sessions"]).toBe(7);
    expect(metrics["rushes_video_frames_total"]).toBe(1500);
    expect(labelOf(metrics, "rushes_build_info", "instruction_set")).toBe("AVX-512");
    expect(labelOf(metrics, "rushes_build_info", "nothing")).toBe("");
  });
  it("become a sample, the device's time a share of all lanes", () => {
    expect(sampleOf(parseMetrics(TEXT), 7)).toMatchObject({ at: 7, values: { running: 2, queued: 0, busy: 15, video_fps: 1500 } });
  });
});

describe("the history", () => {
  it("is an hour at most, of samples that are some seconds apart and the newest", () => {
    let history: Sample[] = [];
    for (let at = 0; at <= 2 * HOUR_MS; at += 2000) history = withSample(history, sample(at));
    expect(history.at(-1)!.at).toBe(2 * HOUR_MS);
    expect(history[0]!.at).toBeGreaterThan(HOUR_MS);
    expect(history.length).toBeGreaterThan(HOUR_MS / 10_000 - 2);
    expect(history.length).toBeLessThanOrEqual(HOUR_MS / 10_000 + 2);
  });
  it("gives rates of counters, values of gauges, and a gap where the server began anew", () => {
    const history = [sample(0, 100), sample(10_000, 260), sample(20_000, 10), sample(30_000, 20)];
    expect(curveOf(history, "video_fps").map(({ value }) => value)).toEqual([16, null, 1]);
    expect(curveOf(history, "queued").map(({ value }) => value)).toEqual([100, 260, 10, 20]);
  });
  it("is drawn from the past on the left to now on the right, in pieces around gaps", () => {
    const points = [[0, 10], [HOUR_MS / 2, 5], [HOUR_MS * 0.75, null], [HOUR_MS * 0.9, 1], [HOUR_MS, 0]].map(([at, value]) => ({ at: at!, value: value! }));
    expect(drawnCurve(points, HOUR_MS, HOUR_MS, 10, 100, 50)).toEqual(["M0.0,0.0L50.0,25.0", "M90.0,45.0L100.0,50.0"]);
  });
});

describe("what is drawn", () => {
  it("is what is known of the hour, and five minutes at least", () => {
    expect(spanOf([], HOUR_MS)).toBe(300_000);
    expect(spanOf([sample(0)], 600_000)).toBe(600_000);
    expect(spanOf([sample(0)], 2 * HOUR_MS)).toBe(HOUR_MS);
  });
});

describe("figures", () => {
  it("have units that suit their size", () => {
    expect([0, 999, 1000, 12_345, 123_456_789, 5e12].map(bytes)).toEqual(["0 B", "999 B", "1.0 kB", "12.3 kB", "123 MB", "5.0 TB"]);
    expect(shown("busy", 0.634)).toBe("63 %");
    expect(shown("sent", 1500)).toBe("1.5 kB/s");
    expect(shown("video_fps", 31.27)).toBe("31.3");
    expect(shown("running", 3)).toBe("3");
  });
});
