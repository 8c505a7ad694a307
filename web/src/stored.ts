// What the page remembers: typed words, choices. In the browser's storage, or where it allows none, as long as the page is open.
import { useCallback, useState } from "react";

type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const forgetful = (): Store => {
  const values = new Map<string, string>();
  return { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => void values.set(key, value), removeItem: (key) => void values.delete(key) };
};

const allowed = (open: () => Storage): Store => {
  try {
    const store = open();
    store.getItem("");
    return store;
  } catch {
    return forgetful();
  }
};

/** Outlives the browser. */
export const kept: Store = allowed(() => localStorage);
/** Ends with the tab. */
export const ofTab: Store = allowed(() => sessionStorage);

/** What was stored, as far as it is of the kind of `initial`; an object's missing fields have their first values. */
export function read<T>(store: Store, key: string, initial: T): T {
  try {
    const value: unknown = JSON.parse(store.getItem(key) ?? "null");
    if (typeof value !== typeof initial || value === null || Array.isArray(value) !== Array.isArray(initial)) return initial;
    return typeof initial === "object" && !Array.isArray(initial) ? { ...initial, ...value } : (value as T);
  } catch {
    return initial;
  }
}

/** As useState, and remembered under `key`, which stays the same as long as the component is mounted. */
export function useStored<T>(key: string, initial: T, store: Store = kept): [T, (next: T) => void] {
  const [value, setValue] = useState(() => read(store, key, initial));
  const change = useCallback((next: T): void => {
    setValue(next);
    try {
      store.setItem(key, JSON.stringify(next));
    } catch {
      // Full: it is remembered until the page is left.
    }
  }, [key, store]);
  return [value, change];
}
