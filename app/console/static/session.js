// One sitting at the page: what the service offers is known, the line is followed. A new key begins a new one.
import { learnOffers, needsKey, offers } from "./api.js";
import { startFeed } from "./feed.js";
import { createStore } from "./store.js";

const AGAIN_MS = 2000;
/** Counts sittings; views begin again with each. */
export const sitting = createStore(0);
let stop = () => {};

/** Follow the line from now on, with the key that is known now. */
export function restart() {
  stop();
  stop = startFeed();
  sitting.set(sitting.get() + 1);
}

/** Wait until the service answers, and whether it wants a key, before anything else is asked of it. */
export async function begin() {
  while (offers.get() === null && !needsKey.get()) {
    try {
      await learnOffers();
    } catch {
      if (!needsKey.get()) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  if (!needsKey.get()) restart();
}
