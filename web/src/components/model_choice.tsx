// The model that makes what the page shows now, and the other ones that could.
import { useTranslation } from "react-i18next";
import type * as api from "../api";

interface Props {
  model: api.ModelInfo;
  models: api.ModelInfo[];
  onModel: (name: string) => void;
}

export function ModelChoice({ model, models, onModel }: Props) {
  const { t } = useTranslation();
  const modelWords = ({ name, state }: api.ModelInfo): string => (state === "loaded" ? name : t("model.notReady", { name, state: t(`model.${state}`) }));
  const title = model.failure || model.description;
  if (models.length < 2) return <p className="model" title={title}>{modelWords(model)}</p>;
  return (
    <select className="model" aria-label={t("model.label")} title={title} value={model.name} onChange={(event) => onModel(event.target.value)}>
      {models.map((each) => <option key={each.name} value={each.name}>{modelWords(each)}</option>)}
    </select>
  );
}
