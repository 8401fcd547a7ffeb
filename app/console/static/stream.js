// GET /verdicts/stream, with the key in a header, which the browser's own EventSource cannot send.
// Comes back by itself with the last cursor, so that nothing is missed while the network or the service was away.
import { ask } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const SILENCE_MS = 45_000; // the service says something every 15 s; longer than this is a connection that died unseen

/** Text as it comes → events; `take({id, event, data})` gets each. A carriage return may end a line, too. */
export function createParser(take) {
  let rest = "";
  let event = {};
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (event.data !== undefined) take(event);
        event = {};
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue; // a comment: still alive
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      event[name] = name === "data" && event.data !== undefined ? `${event.data}\n${value}` : value;
    }
  };
}

/** Follow the verdicts after `cursor` until the function that is given back is called. `onState` hears "live" or "away". */
export function follow({ cursor, onVerdict, onState }) {
  const stop = new AbortController();
  (async () => {
    let wait = FIRST_WAIT_MS;
    while (!stop.signal.aborted) {
      try {
        await readOnce(stop.signal, cursor, (event) => {
          cursor = event.id ?? cursor;
          wait = FIRST_WAIT_MS;
          onVerdict(JSON.parse(event.data));
        }, () => onState("live"));
      } catch (problem) {
        if (problem.code === "cursor.retired" || problem.code === "cursor.bad") cursor = null;
      }
      if (stop.signal.aborted) return;
      onState("away");
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  })();
  return () => stop.abort();
}

async function readOnce(signal, cursor, take, onOpen) {
  const silent = new AbortController();
  const headers = { Accept: "text/event-stream", ...(cursor ? { "Last-Event-ID": cursor } : {}) };
  const response = await ask("verdicts/stream", { headers, signal: AbortSignal.any([signal, silent.signal]) });
  onOpen();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = createParser(take);
  for (;;) {
    const watch = setTimeout(() => silent.abort(), SILENCE_MS);
    const { done, value } = await reader.read();
    clearTimeout(watch);
    if (done) return;
    parse(value);
  }
}
