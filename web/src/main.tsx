import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { chooseTheme, chosenTheme } from "./theme";
import { startWords } from "./words";
import "./style.css";
import "./studio.css";
import "./predict.css";

chooseTheme(chosenTheme());
startWords();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
