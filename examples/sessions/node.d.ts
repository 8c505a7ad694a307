// What the programs use of Node, for the type checker where @types/node is not installed.
declare module "node:fs/promises" {
  export function readFile(path: string): Promise<Uint8Array>;
  export function writeFile(path: string, content: Uint8Array): Promise<void>;
}
declare const process: { argv: string[]; env: Record<string, string | undefined>; stdout: { write(text: string): void } };
