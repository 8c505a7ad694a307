// How each page begins: in its colours, with its words.
import { type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { chooseTheme, chosenTheme } from "./theme";
import { startWords } from "./words";
import "./style.css";
import "./studio.css";

export function show(page: ReactNode): void {
  chooseTheme(chosenTheme());
  startWords();
  createRoot(document.getElementById("root")!).render(<StrictMode>{page}</StrictMode>);
}
