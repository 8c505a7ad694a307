// What the server computes with: its models, its device, its disk.
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Look } from "./looking";
import { bytes, labelOf } from "./metrics";
import type { ServedModel } from "./server";

interface ModelsProps {
  models: readonly ServedModel[];
  /** Asked to be loaded or unloaded, and not yet answered. */
  busy: ReadonlySet<string>;
  onLoad: (name: string, isLoaded: boolean) => void;
}

export function Models({ models, busy, onLoad }: ModelsProps) {
  const { t } = useTranslation();
  return (
    <section className="panel" aria-labelledby="models">
      <h2 id="models">{t("admin.models.title")}</h2>
      <ul className="served">
        {models.map(({ name, family, state, isDefault, sessions, failure }) => (
          <li key={name}>
            <span className="what">
              <b>{name}</b>
              <small>{t(`admin.models.${state}`)} · {family}{isDefault && ` · ${t("admin.models.default")}`}{sessions > 0 && ` · ${t("admin.models.sessions", { count: sessions })}`}</small>
              {failure !== "" && <small className="failure">{failure}</small>}
            </span>
            {state === "loaded" ? (
              <button type="button" className="small" disabled={busy.has(name) || isDefault || sessions > 0} title={isDefault || sessions > 0 ? t("admin.models.inUse") : ""} aria-label={t("admin.models.unloadOf", { name })} onClick={() => onLoad(name, false)}>{t("admin.models.unload")}</button>
            ) : (
              <button type="button" className="small" disabled={busy.has(name) || state === "loading"} aria-label={t("admin.models.loadOf", { name })} onClick={() => onLoad(name, true)}>{t("admin.models.load")}</button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Machine({ look: { metrics, limits } }: { look: Look }) {
  const { t } = useTranslation();
  const of = (name: string): number => metrics[name] ?? 0;
  const used = of("rushes_recordings_bytes"), most = of("rushes_recordings_max_bytes"), free = of("rushes_disk_free_bytes");
  // Without a limit the disk is one.
  const room = most > 0 ? most : used + free;
  const running = of('rushes_sessions{state="running"}');
  return (
    <section className="panel" aria-labelledby="machine">
      <h2 id="machine">{t("admin.machine.title")}</h2>
      <dl className="figures">
        <Figure name={t("admin.machine.version")}>{limits.version} · {labelOf(metrics, "rushes_build_info", "instruction_set")}</Figure>
        <Figure name={t("admin.machine.lanes")}>{of("rushes_device_lanes")}</Figure>
        <Figure name={t("admin.machine.running")}>{t("admin.of", { made: running, all: limits.maxSessions })}</Figure>
        <Figure name={t("admin.machine.queued")}>{limits.maxQueued > 0 ? t("admin.of", { made: of("rushes_queue_sessions"), all: limits.maxQueued }) : of("rushes_queue_sessions")}</Figure>
        <Figure name={t("admin.machine.caches")}>{bytes(of("rushes_generator_bytes"))}</Figure>
        <Figure name={t("admin.machine.memory")}>{bytes(of("process_resident_memory_bytes"))}</Figure>
        <Figure name={t("admin.machine.shared")}>{of("rushes_shared_forwards_total")}</Figure>
        <Figure name={t("admin.machine.connections")}>{of("rushes_connections")}</Figure>
      </dl>
      <p className="disk">
        <meter min={0} max={Math.max(1, room)} value={used} high={0.9 * room} aria-label={t("admin.machine.disk")} />
        {t(most > 0 ? "admin.machine.recordingsOf" : "admin.machine.recordings", { used: bytes(used), most: bytes(most), free: bytes(free) })}
      </p>
    </section>
  );
}

const Figure = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);
