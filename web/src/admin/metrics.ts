// What the server measures, kept for an hour by whoever looks: samples of /metrics, and what they say of the time between. Pure.

/** Of a metric with labels the sum, and each value under `name{label="value"}`. */
export type Metrics = Readonly<Record<string, number>>;

/** Prometheus' text format, as far as /metrics uses it: no time stamps. */
export const parseMetrics = (text: string): Metrics => {
  const metrics: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$/.exec(line);
    if (!found) continue;
    const [, name = "", labels = "", value] = found;
    if (labels !== "") metrics[name + labels] = Number(value);
    metrics[name] = (labels === "" ? 0 : (metrics[name] ?? 0)) + Number(value);
  }
  return metrics;
};

/** The value of a label where a metric has one value alone; of what is told by labels. */
export const labelOf = (metrics: Metrics, name: string, label: string): string =>
  Object.keys(metrics).map((key) => (key.startsWith(`${name}{`) ? new RegExp(`\\b${label}="([^"]*)"`).exec(key)?.[1] : undefined)).find((found) => found !== undefined) ?? "";

const CURVES = {
  video_fps: "rushes_video_frames_total",
  busy: "rushes_device_busy_seconds_total",
  running: 'rushes_sessions{state="running"}',
  queued: "rushes_queue_sessions",
  viewers: "rushes_viewers",
  sent: "rushes_sent_bytes_total",
  memory: "process_resident_memory_bytes",
  disk: "rushes_recordings_bytes",
} as const;
export type Curve = keyof typeof CURVES;
export const CURVE_NAMES = Object.keys(CURVES) as Curve[];

/** Counters, of which the change in a second counts. */
const RATES: readonly Curve[] = ["video_fps", "busy", "sent"];

export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  values: Record<Curve, number>;
}

export const HOUR_MS = 3_600_000;
/** Between samples that are kept; the newest is always there. */
const APART_MS = 10_000;

export const sampleOf = (metrics: Metrics, at: number): Sample => {
  const values = Object.fromEntries(CURVE_NAMES.map((curve) => [curve, metrics[CURVES[curve]] ?? 0])) as Record<Curve, number>;
  // All lanes busy: 1.
  return { at, values: { ...values, busy: values.busy / Math.max(1, metrics["rushes_device_lanes"] ?? 1) } };
};

/** The last hour. The newest but one goes where it is near to the one before. */
export const withSample = (history: readonly Sample[], sample: Sample): Sample[] => {
  const [before, last] = history.slice(-2);
  const kept = before && last && last.at - before.at < APART_MS ? history.slice(0, -1) : history;
  return [...kept.filter(({ at }) => at > sample.at - HOUR_MS && at < sample.at), sample];
};

export interface Point {
  at: number;
  /** null: not known, as the server was started anew meanwhile. */
  value: number | null;
}

export const curveOf = (history: readonly Sample[], curve: Curve): Point[] => {
  if (!RATES.includes(curve)) return history.map(({ at, values }) => ({ at, value: values[curve] }));
  return history.slice(1).map(({ at, values }, i) => {
    const before = history[i]!;
    const change = values[curve] - before.values[curve];
    return { at, value: change < 0 ? null : (1000 * change) / (at - before.at) };
  });
};

/** What is drawn of the hour: all that is known of it, and five minutes at least. */
export const spanOf = (history: readonly Sample[], now: number): number => Math.min(HOUR_MS, Math.max(HOUR_MS / 12, now - (history[0]?.at ?? now)));

/** The paths of a curve between 0 and `most` over this span before `now`, in a box of this size; one for each piece without a gap. */
export const drawnCurve = (points: readonly Point[], now: number, span: number, most: number, width: number, height: number): string[] => {
  const pieces: string[][] = [[]];
  for (const { at, value } of points) {
    if (value === null) pieces.push([]);
    else pieces.at(-1)!.push(`${(width * (1 - (now - at) / span)).toFixed(1)},${(height * (1 - value / most)).toFixed(1)}`);
  }
  return pieces.filter((piece) => piece.length > 1).map((piece) => `M${piece.join("L")}`);
};

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export const bytes = (count: number): string => {
  const power = Math.min(UNITS.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${value >= 100 || power === 0 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[power]!}`;
};

/** As people read it. */
export const shown = (curve: Curve, value: number): string => {
  switch (curve) {
    case "video_fps": return value.toFixed(1);
    case "busy": return `${(100 * value).toFixed(0)} %`;
    case "sent": return `${bytes(value)}/s`;
    case "memory": case "disk": return bytes(value);
    default: return value.toFixed(0);
  }
};
