// The package has no types; as far as this page uses it.
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export interface SwaggerRequest {
    url: string;
    headers: Record<string, string>;
  }
  /** Its React is its own. */
  type Component = (props: { text: string }) => unknown;
  export type SwaggerPlugin = (system: { React: { createElement: (type: string, props: null, text: string) => unknown } }) => { wrapComponents: Record<string, () => Component> };
  interface Options {
    domNode: HTMLElement;
    spec: object;
    deepLinking: boolean;
    docExpansion: "none" | "list" | "full";
    defaultModelsExpandDepth: number;
    filter: boolean;
    validatorUrl: null;
    plugins: SwaggerPlugin[];
    requestInterceptor: (request: SwaggerRequest) => SwaggerRequest;
  }
  export default function SwaggerUI(options: Options): unknown;
}
