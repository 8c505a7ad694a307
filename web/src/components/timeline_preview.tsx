// What is to be seen at the moment under the pointer: a small picture, the time, the prompt.
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { videoUrl } from "../api";
import { clock } from "../clock";
import { type Session, generatedSeconds, hasEnded, promptAt, promptIndex } from "../state";
import { STILL_WIDTH, type Stills } from "../stills";
import { TONES } from "./timeline";

interface Props {
  session: Session;
  stills: Stills;
  /** null: the pointer is elsewhere. */
  seconds: number | null;
  /** Where along the line, from 0 to 1. */
  place: number;
}

export function TimelinePreview({ session, stills, seconds, place }: Props) {
  const { t } = useTranslation();
  const isMade = seconds !== null && seconds <= generatedSeconds(session);
  const prompt = seconds === null ? "" : promptAt(session, seconds);
  const still = isMade && !hasEnded(session.state) ? stills.near(seconds) : null;
  const { width, height } = session.format;
  return (
    <div className="preview" hidden={seconds === null} aria-hidden style={{ left: `clamp(${STILL_WIDTH / 2 + 4}px, ${100 * place}%, calc(100% - ${STILL_WIDTH / 2 + 4}px))` }}>
      <div className="picture" hidden={!isMade || (!hasEnded(session.state) && still === null)} style={{ aspectRatio: `${width} / ${height}` }}>
        {hasEnded(session.state) ? <Look address={videoUrl(session.id)} seconds={seconds} /> : still !== null && <img src={still} alt="" />}
      </div>
      {seconds !== null && <p><b>{clock(seconds)}</b> {isMade ? <><i className={`dot tone-${promptIndex(session, prompt) % TONES}`} />{prompt}</> : t("timeline.toCome")}</p>}
    </div>
  );
}

/** A frame of a file. It is asked for the next one when it has shown the last: seeking takes longer than a pointer moves. */
function Look({ address, seconds }: { address: string; seconds: number | null }) {
  const video = useRef<HTMLVideoElement>(null);
  const wanted = useRef(0);
  const seek = (): void => {
    const element = video.current!;
    if (element.readyState < 1 || element.seeking || Math.abs(element.currentTime - wanted.current) < 0.01) return;
    element.currentTime = wanted.current;
  };
  useEffect(() => {
    if (seconds === null) return;
    wanted.current = seconds;
    seek();
  }, [seconds]);
  useEffect(() => {
    const element = video.current!;
    element.src = address;
    // A removed element would go on loading.
    return () => { element.removeAttribute("src"); element.load(); };
  }, [address]);
  return <video ref={video} muted playsInline preload="auto" onLoadedMetadata={seek} onSeeked={seek} />;
}
