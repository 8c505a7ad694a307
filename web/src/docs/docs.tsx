// The API's documents: what /openapi.json says, drawn by Swagger UI, which also sends what is tried.
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import SwaggerUI, { type SwaggerPlugin, type SwaggerRequest } from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { Places } from "../components/places";
import { Preferences } from "../components/preferences";
import { reach, root, rootUrl, server } from "../connection";
import { useDark } from "../theme";

/** A link inside of a button is neither to who cannot see it. The button opens the operation and names it in the address, too. */
const plainNames: SwaggerPlugin = ({ React }) => ({ wrapComponents: { DeepLink: () => ({ text }) => React.createElement("span", null, text) } });

/** The token of this tab; it stands in no address that is shown. */
const withToken = (request: SwaggerRequest): SwaggerRequest => {
  const { token } = server();
  if (token && request.url.startsWith(root)) request.headers.Authorization ??= `Bearer ${token}`;
  return request;
};

interface Document {
  info: { version: string };
  components: object;
}

export function Docs() {
  const { t } = useTranslation();
  const place = useRef<HTMLDivElement>(null);
  const [version, setVersion] = useState("");
  const [failure, setFailure] = useState("");
  const isDark = useDark();
  useEffect(() => {
    // What Swagger UI is dark by.
    document.documentElement.classList.toggle("dark-mode", isDark);
  }, [isDark]);
  useEffect(() => {
    const control = new AbortController();
    const draw = async (): Promise<void> => {
      const told = (await (await reach(rootUrl("openapi.json"), { signal: control.signal })).json()) as Document;
      if (control.signal.aborted) return;
      setVersion(told.info.version);
      // Also below a path of a proxy. Nobody has to type the token again.
      const spec = { ...told, components: { ...told.components, securitySchemes: {} }, security: [], servers: [{ url: root.replace(/\/$/, "") }] };
      SwaggerUI({
        domNode: place.current!, spec, deepLinking: true, docExpansion: "list", defaultModelsExpandDepth: 0, filter: true, validatorUrl: null, requestInterceptor: withToken,
        plugins: [plainNames],
      });
    };
    draw().catch((error: unknown) => { if (!control.signal.aborted) setFailure(error instanceof Error ? error.message : String(error)); });
    return () => control.abort();
  }, []);
  return (
    <>
      <header className="masthead">
        <h1><a href={root}>rushes</a></h1>
        <Places here="docs" />
        <Preferences />
      </header>
      <main className="docs">
        {failure !== "" && <p className="notice" role="alert">{failure}</p>}
        <h2>{t("docs.title")} <span className="muted">{version}</span></h2>
        <p className="next">{t("docs.about")} <a href={rootUrl("openapi.json")} download="openapi.json">openapi.json</a></p>
        <div ref={place} />
      </main>
    </>
  );
}
