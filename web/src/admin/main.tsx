import { show } from "../entry";
import { Admin } from "./admin";
import "./admin.css";

show(<Admin />);
