// What the clients' test uses of Node's server: the page itself has no types of Node.
declare module "node:http" {
  interface Request extends AsyncIterable<Uint8Array<ArrayBuffer>> {
    method: string;
    url: string;
    headers: Record<string, string | undefined>;
  }
  interface Response {
    writeHead(status: number, headers?: Record<string, string>): Response;
    end(body?: Uint8Array | string): void;
  }
  interface Server {
    listen(port: number, host: string, ready: () => void): void;
    address(): { port: number };
    close(closed: () => void): void;
    closeAllConnections(): void;
  }
  export function createServer(answer: (request: Request, response: Response) => void): Server;
}
