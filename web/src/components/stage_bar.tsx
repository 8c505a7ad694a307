// What can be done with the playback of the video on the stage. Draws only; stage.tsx does it.
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { clock } from "../clock";

export const SPEEDS = [0.25, 0.5, 1, 1.5, 2];

export interface Sound {
  volume: number;
  muted: boolean;
}

interface Props {
  /** null: it plays. */
  start: "play" | "again" | null;
  seconds: number;
  allSeconds: number;
  endless: boolean;
  /** null: the video has none. */
  sound: Sound | null;
  speed: number;
  loop: boolean;
  /** Of a video that has ended. */
  canLoop: boolean;
  full: boolean;
  /** Far behind the newest picture of what is still being made. */
  behind: boolean;
  onToggle: () => void;
  onSound: (sound: Sound) => void;
  onSpeed: (speed: number) => void;
  onLoop: () => void;
  onFull: () => void;
  onNewest: () => void;
  onHelp: () => void;
}

export function StageBar(props: Props) {
  const { t } = useTranslation();
  const { start, sound, speed } = props;
  const play = start === null ? t("stage.pause") : start === "again" ? t("stage.again") : t("stage.play");
  return (
    <div className="stage-bar" role="group" aria-label={t("stage.controls")}>
      <Icon label={play} keys="K" onClick={props.onToggle}>{start === null ? <path d="M6 4h4v16H6zM14 4h4v16h-4z" /> : <path d="M7 4l13 8-13 8z" />}</Icon>
      <span className="time"><span className="hidden">{t("stage.time")} </span>{clock(props.seconds)} <span className="muted">/ {clock(props.allSeconds)}{props.endless ? "…" : ""}</span></span>
      {props.behind && <button type="button" className="quiet small" onClick={props.onNewest}>{t("stage.newest")}</button>}
      <span className="spacer" />
      {sound && (
        <span className="volume">
          <Icon label={sound.muted ? t("stage.unmute") : t("stage.mute")} keys="M" onClick={() => props.onSound({ ...sound, muted: !sound.muted })}>
            <path d="M4 9v6h4l5 4V5L8 9z" />{sound.muted ? <path d="M16 9l5 6m0-6l-5 6" className="stroke" /> : <path d="M16 8.5a5 5 0 0 1 0 7" className="stroke" />}
          </Icon>
          <input
            type="range" min={0} max={1} step={0.05} value={sound.muted ? 0 : sound.volume} aria-label={t("stage.volume")}
            onChange={(event) => props.onSound({ volume: Number(event.target.value), muted: Number(event.target.value) === 0 })}
          />
        </span>
      )}
      <select className="small" aria-label={t("stage.speed")} value={speed} onChange={(event) => props.onSpeed(Number(event.target.value))}>
        {SPEEDS.map((each) => <option key={each} value={each}>{each}×</option>)}
      </select>
      {props.canLoop && <Icon label={t("stage.loop")} pressed={props.loop} onClick={props.onLoop}><path d="M7 7h10v4m0-4l-3-3m3 3l-3 3M17 17H7v-4m0 4l3 3m-3-3l3-3" className="stroke" /></Icon>}
      <Icon label={t("keys.title")} keys="?" className="for-keys" onClick={props.onHelp}><path d="M9 9.5a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 18v.5" className="stroke" /></Icon>
      <Icon label={props.full ? t("stage.window") : t("stage.full")} keys="F" onClick={props.onFull}><path d={props.full ? "M9 4v5H4m16 0h-5V4m0 16v-5h5M4 15h5v5" : "M4 9V4h5m6 0h5v5m0 6v5h-5m-6 0H4v-5"} className="stroke" /></Icon>
    </div>
  );
}

function Icon({ label, keys, pressed, className = "", onClick, children }: { label: string; keys?: string; pressed?: boolean; className?: string; onClick: () => void; children: ReactNode }) {
  return (
    <button type="button" className={`icon ${className}`} aria-label={label} title={keys ? `${label} (${keys})` : label} onClick={onClick} {...(pressed !== undefined && { "aria-pressed": pressed })}>
      <svg viewBox="0 0 24 24" aria-hidden>{children}</svg>
    </button>
  );
}
