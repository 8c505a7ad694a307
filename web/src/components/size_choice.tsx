// The sizes that a model was trained for, and which one is wanted. One alone is told, as there is nothing to choose.
import { useTranslation } from "react-i18next";
import { type Size, sizeWords } from "../sizes";

interface Props {
  sizes: Size[];
  /** null: as the model has it. */
  chosen: Size | null;
  onSize: (size: Size | null) => void;
}

export function SizeChoice({ sizes, chosen, onSize }: Props) {
  const { t } = useTranslation();
  if (sizes.length === 0) return null;
  if (sizes.length === 1) return <span className="size" title={t("size.trainedOne")}>{t("size.one", { size: sizeWords(sizes[0]!) })}</span>;
  return (
    <select
      aria-label={t("size.label")} title={t("size.trained")} value={chosen === null ? "" : sizeWords(chosen)}
      onChange={(event) => onSize(sizes.find((size) => sizeWords(size) === event.target.value) ?? null)}
    >
      <option value="">{t("size.standard")}</option>
      {sizes.map((size) => <option key={sizeWords(size)}>{sizeWords(size)}</option>)}
    </select>
  );
}
