import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  /** One was given, and the server does not know it. */
  wrong: boolean;
  onToken: (token: string) => void;
}

/** A server that asks for a token gets it from here; it is kept as long as the tab is open, and stands in no address. */
export function TokenForm({ wrong, onToken }: Props) {
  const { t } = useTranslation();
  const [token, setToken] = useState("");
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (token !== "") onToken(token);
  };
  return (
    <form className="prompt token" onSubmit={submit}>
      <h2>{t("token.title")}</h2>
      <p className="next">{t("token.why")}</p>
      <label htmlFor={id}>{t("token.label")}</label>
      <div className="row">
        <input id={id} type="password" autoComplete="current-password" autoFocus value={token} aria-invalid={wrong} aria-describedby={`${id}-wrong`} onChange={(event) => setToken(event.target.value)} />
        <button type="submit" className="primary" disabled={token === ""}>{t("token.use")}</button>
      </div>
      <p className="failure" role="alert" id={`${id}-wrong`}>{wrong && t("token.wrong")}</p>
    </form>
  );
}
