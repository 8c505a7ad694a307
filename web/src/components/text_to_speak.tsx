// Words that the portrait says. The server makes speech of them.
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { MOST_TEXT, type VoiceGender, speechOf } from "../api";
import { ofTab, useStored } from "../stored";

interface Props {
  disabled: boolean;
  /** At once: browsers play sound only of what a click began. */
  onBegin: () => void;
  onSpeech: (speech: File) => void;
  onError: (error: unknown) => void;
}

export function TextToSpeak({ disabled, onBegin, onSpeech, onError }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useStored("rushes.talk.text", "", ofTab);
  const [gender, setGender] = useStored<VoiceGender>("rushes.talk.voice", "female");
  const [waits, setWaits] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (text.trim() === "" || waits || disabled) return;
    setWaits(true);
    onBegin();
    try {
      onSpeech(await speechOf(text.trim(), gender));
    } catch (error) {
      onError(error);
    }
    setWaits(false);
  };
  return (
    <form className="row text-to-speak" onSubmit={(event) => void submit(event)}>
      <input aria-label={t("talk.text")} placeholder={t("talk.textPlaceholder")} value={text} maxLength={MOST_TEXT} onChange={(event) => setText(event.target.value)} />
      <select className="small" aria-label={t("talk.voice")} value={gender} onChange={(event) => setGender(event.target.value as VoiceGender)}>
        {(["female", "male"] as const).map((each) => <option key={each} value={each}>{t(`talk.voices.${each}`)}</option>)}
      </select>
      <button type="submit" disabled={disabled || waits || text.trim() === ""}>{t("talk.say")}</button>
    </form>
  );
}
