// What a test uses of Node to read sources of the server: the page itself has no types of Node.
declare module "node:fs" {
  export function readFileSync(file: URL, encoding: "utf8"): string;
}
