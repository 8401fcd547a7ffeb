// Pictures and heatmaps of verdicts. A few are fetched at once, what was asked for last comes first, and what nobody
// looks at any more is not fetched at all: a fast line asks for more thumbnails than anybody can see.
import { ask } from "./api.js";
import { readHeat } from "./heat.js";

const AT_ONCE = 3;
const KEPT = 160;
const NEVER = new AbortController().signal;
const waiting = [];
const kept = new Map(); // address → {promise, job}, the oldest first
let running = 0;

/** The heatmap of a verdict, {grey, width, height}; `Problem` where there is none. `signal` says that nobody waits. */
export function loadHeat(verdict, signal) {
  return load(`verdicts/${verdict.id}/heatmap`, (blob) => readHeat(blob, verdict.heatmap), signal);
}

/** A picture of a verdict as a bitmap: its overlay (`heatmap`), or what the camera sent (`image`). */
export function loadPicture(verdict, what, signal) {
  return load(`verdicts/${verdict.id}/${what}`, (blob) => createImageBitmap(blob), signal);
}

function load(address, open, signal = NEVER) {
  const known = kept.get(address);
  if (known) {
    known.job.signals.push(signal);
    return known.promise;
  }
  const job = { address, open, signals: [signal] };
  const promise = new Promise((resolve, reject) => Object.assign(job, { resolve, reject }));
  kept.set(address, { promise, job });
  promise.catch(() => kept.delete(address));
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break;
    kept.delete(oldest);
  }
  waiting.push(job);
  next();
  return promise;
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    const job = waiting.pop();
    if (job.signals.every((signal) => signal.aborted)) {
      kept.delete(job.address);
      job.reject(new DOMException("nobody waits", "AbortError"));
      continue;
    }
    running += 1;
    run(job).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function run({ address, open, resolve, reject }) {
  try {
    resolve(await open(await (await ask(address)).blob()));
  } catch (error) {
    reject(error);
  }
}
