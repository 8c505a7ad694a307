import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { KEYS, keyCap } from "../keys";

/** The keys that move the stage. A dialog of the browser's own: it keeps the focus, and Escape closes it. */
export function Shortcuts({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current!;
    if (!element.open) element.showModal();
    return () => element.close();
  }, []);
  return (
    <dialog ref={dialog} className="shortcuts" aria-labelledby="shortcuts" onClose={onClose} onClick={(event) => { if (event.target === dialog.current) onClose(); }}>
      <h2 id="shortcuts">{t("keys.title")}</h2>
      <dl>
        {KEYS.map(({ keys, words }) => (
          <div key={words}>
            <dt>{keys.map((key) => <kbd key={key}>{key === " " ? t("keys.space") : keyCap(key)}</kbd>)}</dt>
            <dd>{t(`keys.${words}`)}</dd>
          </div>
        ))}
      </dl>
      <button type="button" autoFocus onClick={onClose}>{t("close")}</button>
    </dialog>
  );
}
