// Addresses of the page: /s/ID shows a session, /s/ID?beside=ID,ID others beside it, #talk and the like what else can be made. Relative to where the page was
// loaded, as it also works below a path of a reverse proxy.
import { useCallback, useSyncExternalStore } from "react";
import type { View } from "./models";

export interface Route {
  /** null: nobody has asked for one. */
  view: View | null;
  session: string | null;
  /** On the stage beside it. */
  beside: readonly string[];
}

/** Four in all. */
export const MOST_BESIDE = 3;

const SESSION = /\/s\/([0-9a-f-]+)$/i;
const ID = /^[0-9a-f-]+$/i;
const VIEWS: readonly View[] = ["video", "talk", "predict"];

/** Where the page's own addresses begin; ends in '/'. */
export const rootOf = (href: string): string => new URL(SESSION.test(new URL(href).pathname) ? ".." : ".", href).href;

export const routeOf = (href: string): Route => {
  const { pathname, hash, searchParams } = new URL(href);
  const session = SESSION.exec(pathname)?.[1] ?? null;
  const named = session === null ? [] : (searchParams.get("beside") ?? "").split(",").filter((id) => ID.test(id) && id !== session);
  return { session, beside: [...new Set(named)].slice(0, MOST_BESIDE), view: session !== null ? "video" : (VIEWS.find((view) => hash === `#${view}`) ?? null) };
};

export const addressOf = (root: string, { view, session, beside = [] }: Partial<Route>): string =>
  session ? `${root}s/${session}${beside.length > 0 ? `?beside=${beside.join(",")}` : ""}` : view ? `${root}#${view}` : root;

const changed = "rushes:route";

const subscribe = (tell: () => void): (() => void) => {
  for (const name of ["popstate", "hashchange", changed]) window.addEventListener(name, tell);
  return () => { for (const name of ["popstate", "hashchange", changed]) window.removeEventListener(name, tell); };
};

export type Go = (route: Partial<Route>, how?: "push" | "replace") => void;

export function useRoute(root: string): [Route, Go] {
  const href = useSyncExternalStore(subscribe, () => location.href);
  const go = useCallback<Go>((route, how = "push") => {
    const address = addressOf(root, route);
    if (address === location.href) return;
    if (how === "push") history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    window.dispatchEvent(new Event(changed));
  }, [root]);
  return [routeOf(href), go];
}
