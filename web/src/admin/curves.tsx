// The last hour, one small picture for each figure.
import { useTranslation } from "react-i18next";
import { ago } from "../ago";
import { CURVE_NAMES, type Curve, HOUR_MS, type Sample, curveOf, drawnCurve, shown, spanOf } from "./metrics";

const WIDTH = 300, HEIGHT = 72;
/** The top of a picture whose curve stays below; else it is a little above the highest value. */
const LEAST_TOP: Record<Curve, number> = { video_fps: 1, busy: 1, running: 1, queued: 1, viewers: 1, sent: 1000, memory: 1e6, disk: 1e6 };

export function Curves({ history, now }: { history: readonly Sample[]; now: number }) {
  const { t, i18n } = useTranslation();
  const since = history[0]?.at ?? now;
  const isWhole = since < now - HOUR_MS + 60_000;
  return (
    <section className="panel" aria-labelledby="hour">
      <h2 id="hour">{t("admin.hour")} {!isWhole && <span className="muted">{t("admin.since", { time: new Date(since).toLocaleTimeString(i18n.language) })}</span>}</h2>
      <div className="curves">{CURVE_NAMES.map((curve) => <Picture key={curve} curve={curve} history={history} now={now} />)}</div>
    </section>
  );
}

function Picture({ curve, history, now }: { curve: Curve; history: readonly Sample[]; now: number }) {
  const { t, i18n } = useTranslation();
  const span = spanOf(history, now);
  const points = curveOf(history, curve);
  const highest = Math.max(0, ...points.map(({ value }) => value ?? 0));
  const top = 1.1 * Math.max(LEAST_TOP[curve], highest);
  const newest = points.at(-1)?.value ?? null;
  const value = newest === null ? "–" : shown(curve, newest);
  const lines = drawnCurve(points, now, span, top, WIDTH, HEIGHT);
  return (
    <figure className="curve">
      <figcaption><b>{value}</b> {t(`admin.curves.${curve}`)}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={t("admin.curve", { name: t(`admin.curves.${curve}`), now: value, most: shown(curve, highest) })}>
        {lines.map((line) => (
          <g key={line}>
            <path className="area" d={`${line}V${HEIGHT}H${/^M([\d.-]+)/.exec(line)![1]!}Z`} />
            <path className="line" d={line} />
          </g>
        ))}
      </svg>
      <small aria-hidden><span>{ago(now - span, i18n.language, now)}</span><span>{t("admin.most", { most: shown(curve, highest) })}</span></small>
    </figure>
  );
}
