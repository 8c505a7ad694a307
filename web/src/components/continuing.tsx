// What has ended goes on: other words from the picture that is shown on, or more of it from the end. What that costs is told before.
import { type FormEvent, type Ref, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ModelInfo } from "../api";
import { clock } from "../clock";
import { type Border, type ForkRequest, borderNear, canGoOn, fromBorder, fromEnd, isReplaying, knownReason, lastBorder, lengths, secondsOf } from "../continuing";
import type { Session } from "../state";
import { ofTab, useStored } from "../stored";
import { KnownWords } from "./known_words";
import { Prompts } from "./prompts";

interface Props {
  session: Session;
  model: ModelInfo | null;
  /** The prompt of the frame on the screen. */
  shown: string;
  playedSeconds: number;
  box: Ref<HTMLInputElement>;
  /** `at`: where the other video goes on, if that is known. */
  onFork: (how: ForkRequest, at: number | null) => void;
}

export function Continuing({ session, model, shown, playedSeconds, box, onFork }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useStored(`rushes.steer.${session.id}`, "", ofTab);
  const choices = lengths(session);
  const [more, setMore] = useState(choices[0] ?? 0);
  const segments = choices.includes(more) ? more : (choices[0] ?? 0);
  const here = borderNear(session, playedSeconds), end = lastBorder(session);
  const words = text.trim();
  const lengthWords = (count: number): string => {
    const seconds = secondsOf(session, count)?.toFixed(1);
    return count === 0 ? t("goOn.planned") : seconds === undefined ? t("goOn.segments", { count }) : t("goOn.segmentsOf", { count, seconds });
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (words === "" || !here) return;
    onFork(fromBorder(session, here, words, segments), here.seconds);
    setText("");
  };
  if (!canGoOn(session) || !end) return <div className="steering"><Prompts session={session} shown={shown} /><NoForks session={session} /></div>;
  return (
    <div className="steering">
      <Prompts session={session} shown={shown} />
      {here?.seconds != null && (
        <>
          <form className="switch" onSubmit={submit}>
            <input ref={box} aria-label={t("steer.label")} aria-describedby="steer-when" placeholder={t("goOn.placeholder")} value={text} maxLength={10_000} onChange={(event) => setText(event.target.value)} />
            <button type="submit" className={words === "" ? "" : "primary"} disabled={words === ""} title={t("goOn.hereTitle")}>{t("goOn.here")}</button>
          </form>
          <KnownWords model={model} text={text} onText={setText} />
          <p className="next when" id="steer-when">{t("goOn.at", { time: clock(here.seconds) })} <Cost border={here} /></p>
        </>
      )}
      <div className="row go-on">
        <button type="button" aria-describedby="go-on-cost" title={t("goOn.continueTitle")} onClick={() => { onFork(fromEnd(words, segments), end.seconds); setText(""); }}>
          {words === "" ? t("goOn.continue") : t("goOn.continueWith")}
        </button>
        {choices.length > 0 && (
          <select className="small" aria-label={t("goOn.length")} value={segments} onChange={(event) => setMore(Number(event.target.value))}>
            {choices.map((each) => <option key={each} value={each}>{lengthWords(each)}</option>)}
          </select>
        )}
        <span className="next" id="go-on-cost">{end.seconds === null ? t("goOn.fromEnd") : t("goOn.fromEndAt", { time: clock(end.seconds) })} <Cost border={end} /></span>
      </div>
    </div>
  );
}

export function Cost({ border: { replay } }: { border: Border }) {
  const { t } = useTranslation();
  return replay === 0 ? t("goOn.atOnce") : t("goOn.again", { count: replay });
}

/** Why nothing goes on from here. */
export function NoForks({ session: { forks } }: { session: Session }) {
  const { t } = useTranslation();
  if (forks.noReplay === null) return null;
  const known = knownReason(forks.noReplay);
  return <p className="next">{t("goOn.cannot", { reason: known === null ? forks.noReplay : t(`goOn.noReplay.${known}`) })}</p>;
}

/** How far a fork is with what it shares with its origin. */
export function Replaying({ session }: { session: Session }) {
  const { t } = useTranslation();
  if (!isReplaying(session)) return null;
  const { replayBlocks: all, replayedBlocks: done } = session;
  const words = t("goOn.replaying", { at: done + 1, all });
  return <p className="next replaying"><progress max={all} value={done} aria-label={words} />{words}</p>;
}
