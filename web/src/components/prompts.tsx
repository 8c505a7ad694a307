import { useTranslation } from "react-i18next";
import { type Session, hasEnded, promptIndex } from "../state";
import { TONES } from "./timeline";

/** The prompt of the frame on the screen, and those that are on their way to it. */
export function Prompts({ session, shown, when = "" }: { session: Session; shown: string; when?: string }) {
  const { t } = useTranslation();
  const tone = (prompt: string): string => `dot tone-${promptIndex(session, prompt) % TONES}`;
  return (
    <div className="prompts">
      <p className="now"><i className={tone(shown)} />{shown}</p>
      {session.prompt !== shown && !hasEnded(session.state) && <p className="next"><i className={tone(session.prompt)} />{t("steer.generating", { prompt: session.prompt })}</p>}
      {session.pendingPrompt && <p className="next pending">{t("steer.pending", { prompt: session.pendingPrompt, when })}</p>}
    </div>
  );
}
