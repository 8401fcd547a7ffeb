// A value that changes, and who is told: the only state that views share.
import { useEffect, useState } from "./vendor/hooks.js";

/** `get`, `set`, and `subscribe`, which gives the function that ends it. */
export function createStore(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The value of a store, drawn again whenever it changes. */
export function useStore(store) {
  const [value, setValue] = useState(store.get());
  useEffect(() => {
    setValue(store.get());
    return store.subscribe(setValue);
  }, [store]);
  return value;
}

/** A store that this tab remembers and no other; a closed tab has forgotten it. */
export function createRemembered(name, fallback) {
  const store = createStore(sessionStorage.getItem(name) ?? fallback);
  store.subscribe((value) => (value ? sessionStorage.setItem(name, value) : sessionStorage.removeItem(name)));
  return store;
}
