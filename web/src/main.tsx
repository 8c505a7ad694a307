import { App } from "./app";
import { show } from "./entry";
import "./predict.css";

show(<App />);
