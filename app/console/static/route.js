// Which view is looked at: the part of the address behind the #, so that a panel can be started on any of them.
import { createStore } from "./store.js";

export const VIEWS = ["live", "review", "products", "try", "status"];

/** {view, rest} of the address. */
export const route = createStore(parse());
window.addEventListener("hashchange", () => route.set(parse()));

function parse() {
  const [view, rest] = location.hash.replace(/^#\/?/, "").split("/");
  return { view: VIEWS.includes(view) ? view : VIEWS[0], rest: rest ? decodeURIComponent(rest) : null };
}

/** Look at a view. */
export function go(view, rest) {
  location.hash = rest ? `#/${view}/${encodeURIComponent(rest)}` : `#/${view}`;
}
