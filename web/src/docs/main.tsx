import { show } from "../entry";
import { Docs } from "./docs";
import "swagger-ui-dist/swagger-ui.css";
import "./docs.css";

show(<Docs />);
