// Words that take over while the video is made, and when they will be seen.
import { type FormEvent, type Ref } from "react";
import { useTranslation } from "react-i18next";
import type { ModelInfo } from "../api";
import { clock } from "../clock";
import { type ForkRequest, borderNear, canGoOn, fromBorder, fromEnd, isReplaying } from "../continuing";
import { type Session, nextBlockAt } from "../state";
import { ofTab, useStored } from "../stored";
import { Cost, NoForks, Replaying } from "./continuing";
import { KnownWords } from "./known_words";
import { Prompts } from "./prompts";

interface Props {
  session: Session;
  model: ModelInfo | null;
  /** The prompt of the frame on the screen. */
  shown: string;
  playedSeconds: number;
  /** What is shown is not the newest: a fork goes on from there. */
  behind: boolean;
  box: Ref<HTMLInputElement>;
  onPrompt: (prompt: string) => void;
  /** `at`: where the other video goes on. */
  onFork: (how: ForkRequest, at: number) => void;
}

export function Steering({ session, model, shown, playedSeconds, behind, box, onPrompt, onFork }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useStored(`rushes.steer.${session.id}`, "", ofTab);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    onPrompt(text.trim());
    setText("");
  };
  const at = nextBlockAt(session);
  const seconds = Math.max(0, at - playedSeconds).toFixed(1);
  const here = behind ? borderNear(session, playedSeconds) : null;
  const fork = (): void => {
    onFork(here ? fromBorder(session, here, text.trim(), 0) : fromEnd(text.trim(), 0), here?.seconds ?? at);
    setText("");
  };
  return (
    <div className="steering">
      <Prompts session={session} shown={shown} when={isReplaying(session) ? t("steer.afterReplay") : t("steer.when", { time: clock(at), seconds })} />
      <form className="switch" onSubmit={submit}>
        <input ref={box} aria-label={t("steer.label")} aria-describedby="steer-when" placeholder={t("steer.placeholder")} value={text} maxLength={10_000} onChange={(event) => setText(event.target.value)} />
        <button type="submit" className={text.trim() === "" ? "" : "primary"} disabled={text.trim() === ""}>{t("steer.switch")}</button>
        {canGoOn(session) && <button type="button" title={here ? t("steer.forkHereTitle") : t("steer.forkTitle")} onClick={fork}>{here ? t("steer.forkHere") : t("steer.fork")}</button>}
      </form>
      <KnownWords model={model} text={text} onText={setText} />
      {isReplaying(session) ? <Replaying session={session} /> : <p className="next when" id="steer-when">{t("steer.next", { time: clock(at), seconds })}</p>}
      {here?.seconds != null && <p className="next">{t("steer.forkAt", { time: clock(here.seconds) })} <Cost border={here} /></p>}
      {!canGoOn(session) && <NoForks session={session} />}
    </div>
  );
}
