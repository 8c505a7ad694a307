// The sizes that a model was trained for, and which one is wanted. One alone is told, as there is nothing to choose.
import { type Size, sizeWords } from "../sizes";

interface Props {
  sizes: Size[];
  /** null: as the model has it. */
  chosen: Size | null;
  onSize: (size: Size | null) => void;
}

export function SizeChoice({ sizes, chosen, onSize }: Props) {
  if (sizes.length === 0) return null;
  if (sizes.length === 1) return <span className="size" title="The size that the model was trained for">Size {sizeWords(sizes[0]!)}</span>;
  return (
    <select
      aria-label="Size of the video" title="The sizes that the model was trained for" value={chosen === null ? "" : sizeWords(chosen)}
      onChange={(event) => onSize(sizes.find((size) => sizeWords(size) === event.target.value) ?? null)}
    >
      <option value="">Standard size</option>
      {sizes.map((size) => <option key={sizeWords(size)}>{sizeWords(size)}</option>)}
    </select>
  );
}
