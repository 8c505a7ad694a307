// Words that take over while the video is made, and when they will be seen.
import { type FormEvent, type Ref } from "react";
import { useTranslation } from "react-i18next";
import type { ModelInfo } from "../api";
import { clock } from "../clock";
import { type Session, nextBlockAt, promptIndex } from "../state";
import { ofTab, useStored } from "../stored";
import { KnownWords } from "./known_words";
import { TONES } from "./timeline";

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
  onFork: (prompt: string) => void;
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
  return (
    <div className="steering">
      <Prompts session={session} shown={shown} when={t("steer.when", { time: clock(at), seconds })} />
      <form className="switch" onSubmit={submit}>
        <input ref={box} aria-label={t("steer.label")} aria-describedby="steer-when" placeholder={t("steer.placeholder")} value={text} maxLength={10_000} onChange={(event) => setText(event.target.value)} />
        <button type="submit" className={text.trim() === "" ? "" : "primary"} disabled={text.trim() === ""}>{t("steer.switch")}</button>
        <button type="button" title={behind ? t("steer.forkHereTitle") : t("steer.forkTitle")} onClick={() => { onFork(text.trim()); setText(""); }}>
          {behind ? t("steer.forkHere") : t("steer.fork")}
        </button>
      </form>
      <KnownWords model={model} text={text} onText={setText} />
      <p className="next when" id="steer-when">{t("steer.next", { time: clock(at), seconds })}</p>
    </div>
  );
}

/** The prompt of the frame on the screen, and those that are on their way to it. */
export function Prompts({ session, shown, when = "" }: { session: Session; shown: string; when?: string }) {
  const { t } = useTranslation();
  const tone = (prompt: string): string => `dot tone-${promptIndex(session, prompt) % TONES}`;
  return (
    <div className="prompts">
      <p className="now"><i className={tone(shown)} />{shown}</p>
      {session.prompt !== shown && <p className="next"><i className={tone(session.prompt)} />{t("steer.generating", { prompt: session.prompt })}</p>}
      {session.pendingPrompt && <p className="next pending">{t("steer.pending", { prompt: session.pendingPrompt, when })}</p>}
    </div>
  );
}
