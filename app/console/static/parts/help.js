// Which key does what.
import { useEffect, useRef } from "../vendor/hooks.js";
import { html } from "../html.js";
import { t } from "../words.js";

const KEYS = [
  ["1 – 5", "keys.views"],
  ["Enter", "keys.open"],
  ["Space", "keys.hold"],
  ["← →", "keys.move"],
  ["I O M", "keys.layers"],
  ["G", "found.good"],
  ["D", "found.defective"],
  ["S", "review.skip"],
  ["F", "keys.fullscreen"],
  ["Esc", "close"],
];

/** The table, until it is closed. */
export function Help({ onClose }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog class="small-dialog" ref=${dialog} onClose=${onClose} aria-labelledby="help-title">
    <h2 id="help-title">${t("keys.title")}</h2>
    <dl class="keys">${KEYS.map(([keys, says]) => html`<div key=${says}><dt>${keys.split(" ").map((it) => (it === "–" ? " – " : html`<kbd>${it}</kbd>`))}</dt>
      <dd>${t(says)}</dd></div>`)}</dl>
    <div class="dialog-buttons"><button type="button" class="button is-primary" onClick=${() => dialog.current.close()}>${t("close")}</button></div>
  </dialog>`;
}
