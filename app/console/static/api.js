// The service's API: every request of the page goes through here, with the key that its user gave.
// Refuses with a `Problem`; a 401 also asks the user for a key.
import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { createRemembered, createStore } from "./store.js";

export const key = createRemembered("inspect.key", "");
export const needsKey = createStore(false);
/** "GET /products/{}/drift" and so on: what this service offers; null until it has said so. */
export const offers = createStore(null);

/** Whether this service has keys at all. */
export const hasKeys = createStore(false);

/** What the service refused, in its own words; `code` is stable, "network" where nothing answered. */
export class Problem extends Error {
  constructor(status, { code, detail, title } = {}) {
    super(detail || title || `HTTP ${status}`);
    this.status = status;
    this.code = code ?? (status ? `http.${status}` : "network");
  }
}

/** The Response of an answer that is none of an error. `path` is relative to the page, as behind a proxy's prefix. */
export async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (key.get()) sent.Authorization = `Bearer ${key.get()}`;
  let response;
  try {
    response = await fetch(path, { method, body, headers: sent, signal, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: error.message });
  }
  if (response.ok) return response;
  if (response.status === 401) needsKey.set(true);
  throw new Problem(response.status, await response.json().catch(() => ({})));
}

/** The JSON of an answer. */
export async function read(path, options) {
  return (await ask(path, options)).json();
}

/** Send JSON, read JSON. */
export function send(method, path, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  return read(path, { method, body, headers: body === undefined ? {} : { "Content-Type": "application/json" } });
}

/** Learn what this service offers, so that the page shows nothing that is not there. */
export async function learnOffers() {
  const { paths } = await read("openapi.json");
  const found = new Set();
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  hasKeys.set(operations.some(({ security }) => security && !security.some((way) => Object.keys(way).length === 0)));
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) found.add(`${method.toUpperCase()} ${path.replace(/\{[^}]*\}/g, "{}")}`);
  }
  offers.set(found);
}

/** Whether "GET /products/{}/drift" is offered. */
export function offered(route) {
  return offers.get()?.has(route) ?? false;
}

/** The JSON at `path`, read again every `everyMs` while it is looked at; `null` reads nothing. */
export function usePolled(path, everyMs) {
  const [state, setState] = useState({ value: null, problem: null });
  const again = useRef(() => {});
  useEffect(() => {
    if (path === null) return undefined;
    const stop = new AbortController();
    let timer;
    const turn = async () => {
      clearTimeout(timer);
      try {
        const value = await read(path, { signal: stop.signal });
        setState({ value, problem: null });
      } catch (problem) {
        if (stop.signal.aborted) return;
        setState((before) => ({ value: before.value, problem }));
      }
      if (!stop.signal.aborted && everyMs) timer = setTimeout(turn, everyMs);
    };
    again.current = turn;
    setState({ value: null, problem: null });
    turn();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [path, everyMs]);
  return { ...state, refresh: () => again.current() };
}
