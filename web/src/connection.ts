// Where the server is, the token that it may want, and calls to it. What it refuses is a ServerError with its own words.
import { rootOf } from "./route";
import { readSeeds } from "./seeds";
import { ofTab } from "./stored";

export class ServerError extends Error {
  constructor(message: string, readonly status: number, readonly code: string) {
    super(message);
  }
}

/** No answer came at all. */
export class Unreachable extends Error {}

/** Where the page's and the server's addresses begin. */
export const root = rootOf(location.href);

const TOKEN = "rushes.token";

/** An address that brings a token gives it away and forgets it: it would be seen over one's shoulder, in the history, in links. */
const takeToken = (): string => {
  const address = new URL(location.href);
  const given = address.searchParams.get("token");
  if (given === null) return ofTab.getItem(TOKEN) ?? "";
  ofTab.setItem(TOKEN, given);
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
  return given;
};

let token = takeToken();

/** Kept as long as the tab is open. */
export const setToken = (given: string): void => {
  token = given;
  ofTab.setItem(TOKEN, given);
};

export const hasToken = (): boolean => token !== "";

/** Of a path of the server. The token stands in it because neither a WebSocket nor a download can carry a header. */
export const rootUrl = (path: string): string => {
  const address = new URL(path.replace(/^\//, ""), root);
  if (token) address.searchParams.set("token", token);
  return address.href;
};

export const url = (path: string): string => rootUrl(`v1/${path}`);

export const socketUrl = (path: string): string => url(path).replace(/^http/, "ws");

/** Where this page came from, as clients of the APIs of others have it. */
export const server = (): { serverUrl: string; token?: string } => ({ serverUrl: root.replace(/\/$/, ""), ...(token && { token }) });

export const reach = (address: string, init: RequestInit): Promise<Response> =>
  fetch(address, init).catch(() => {
    throw new Unreachable("The server cannot be reached. Is `rushes serve` still running?");
  });

/** Throws ServerError. What removes something gets through although the page is being left. */
export async function answerOf(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  const response = await reach(url(path), { method, keepalive: method === "DELETE", ...init });
  if (response.ok) return response;
  // Not JSON: a proxy's error page. The status says enough.
  const told = (await response.json().catch(() => null)) as { error?: { message?: string; code?: string } } | null;
  throw new ServerError(told?.error?.message ?? `The server answered with ${response.status} ${response.statusText}.`, response.status, told?.error?.code ?? "");
}

/** `write`: how the body becomes JSON. Seeds of the answer are digits. */
export async function call<T>(method: string, path: string, body?: unknown, write: (body: unknown) => string = JSON.stringify): Promise<T> {
  const response = await answerOf(method, path, body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: write(body) });
  const text = await response.text();
  return (text ? readSeeds(text) : null) as T;
}
