// What operators look at: sessions, models, the device, the disk, the last hour, the log. Effects live here and in looking.ts.
import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import { remove, stop } from "../api";
import { Places } from "../components/places";
import { Preferences } from "../components/preferences";
import { TokenForm } from "../components/token_form";
import { ServerError, Unreachable, hasToken, root, setToken } from "../connection";
import { useRemoval } from "../removal";
import { Curves } from "./curves";
import { LogPanel } from "./log_panel";
import { useLooking } from "./looking";
import { Machine, Models } from "./machine";
import { setLoaded } from "./server";
import { Sessions } from "./sessions";

export function Admin() {
  const { t } = useTranslation();
  const [notice, setNotice] = useState<string | null>(null);
  const [busy, setBusy] = useState<ReadonlySet<string>>(new Set());
  const report = useCallback((error: unknown): void => {
    // That the server is gone is said at the top as long as it is so.
    if (!(error instanceof Unreachable)) setNotice(error instanceof Error ? error.message : String(error));
  }, []);
  const { line, look, history, log, again } = useLooking(report);
  const removal = useRemoval(async (id) => {
    try {
      await remove(id);
      again();
    } catch (error) {
      if (error instanceof ServerError && error.status === 404) return;
      report(error);
      throw error;
    }
  });
  const load = async (name: string, isLoaded: boolean): Promise<void> => {
    setBusy((before) => new Set(before).add(name));
    try {
      await setLoaded(name, isLoaded);
    } catch (error) {
      report(error);
    }
    setBusy((before) => new Set([...before].filter((each) => each !== name)));
    again();
  };
  return (
    <>
      <header className="masthead">
        <h1><a href={root}>rushes</a></h1>
        <Places here="admin" />
        <Preferences />
      </header>
      <main className="admin">
        <h2 className="hidden">{t("places.admin")}</h2>
        <div className="notices" role="alert">
          {line === "gone" && <p className="notice">{t("line.gone")}</p>}
          {notice !== null && (
            <div className="notice">
              <span>{notice}</span>
              <button type="button" className="quiet" onClick={() => setNotice(null)} aria-label={t("dismiss")}>✕</button>
            </div>
          )}
        </div>
        {line === "locked" ? <TokenForm wrong={hasToken()} onToken={(token) => { setToken(token); again(); }} /> : look !== null && (
          <>
            <Curves history={history} now={look.at} />
            <Sessions sessions={look.sessions.filter(({ id }) => !removal.going.has(id))} onStop={(id) => void stop(id).then(again, report)} onRemove={removal.begin} />
            <div className="panels">
              <Models models={look.models} busy={busy} onLoad={(name, isLoaded) => void load(name, isLoaded)} />
              <Machine look={look} />
            </div>
            <LogPanel lines={log} />
          </>
        )}
      </main>
      <div className="toasts" role="status">
        {removal.last !== null && <p className="toast">{t("library.removed")} <button type="button" onClick={() => removal.undo(removal.last!)}>{t("library.undo")}</button></p>}
      </div>
    </>
  );
}
