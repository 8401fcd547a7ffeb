// The last parts of every station, kept up to date: what the live view draws.
// Verdicts come one by one; views are told ten times a second at most, however fast the line is.
import { read } from "./api.js";
import { createStore } from "./store.js";
import { follow } from "./stream.js";

const KEPT = 60; // parts of one station
const COUNTED = 200; // verdicts of one station that its figures are of
const BEFORE = 500; // parts that are shown before a new one comes
const PACE_MS = 100;

/** Lanes by name: {name, station, product, parts (newest first), kinds (newest last)}. */
export const lanes = createStore([]);
/** "connecting", "live" or "away". */
export const connection = createStore("connecting");

const byName = new Map();
let timer = null;

/** Take verdicts, oldest first. Simulated ones are trials and no parts. */
export function takeVerdicts(verdicts) {
  for (const verdict of verdicts) {
    if (verdict.simulated) continue;
    const name = verdict.station ?? verdict.product;
    const lane = byName.get(name) ?? { name, station: verdict.station, parts: [], kinds: [] };
    const parts = [verdict, ...lane.parts.slice(0, KEPT - 1)];
    const kinds = [...lane.kinds.slice(1 - COUNTED), verdict.verdict];
    byName.set(name, { ...lane, product: verdict.product, parts, kinds });
  }
  timer ??= setTimeout(publish, PACE_MS);
}

function publish() {
  timer = null;
  lanes.set([...byName.values()].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true })));
}

/** Begin: the last parts, then each that comes. Gives the function that ends it. */
export function startFeed() {
  let stop = () => {};
  let ended = false;
  const begin = async () => {
    try {
      const page = await read(`verdicts?after=latest-${BEFORE}&limit=${BEFORE}`);
      if (ended) return;
      byName.clear();
      takeVerdicts(page.verdicts);
      stop = follow({
        cursor: page.cursor,
        onVerdict: (verdict) => takeVerdicts([verdict]),
        onState: (state) => connection.set(state),
      });
    } catch {
      if (ended) return;
      connection.set("away");
      const again = setTimeout(begin, 2000);
      stop = () => clearTimeout(again);
    }
  };
  begin();
  return () => {
    ended = true;
    stop();
  };
}
