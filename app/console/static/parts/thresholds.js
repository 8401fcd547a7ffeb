// New thresholds in force: who, why, and two presses. The service numbers them, and every later verdict names that number.
import { useState } from "../vendor/hooks.js";
import { send, usePolled } from "../api.js";
import { html } from "../html.js";
import { useStore } from "../store.js";
import { moment, number, t } from "../words.js";
import { ConfirmButton, Refused } from "./controls.js";
import { author, inspector, Inspector } from "./disposition.js";

const SHOWN = 5;

/** The form, and the last changes. A change that somebody else has made meanwhile is a refusal, not lost. */
export function PutThresholds({ product, tried, moved, onChanged }) {
  const who = useStore(inspector);
  const [why, setWhy] = useState("");
  const [problem, setProblem] = useState(null);
  const { value: known, refresh } = usePolled(`products/${product.product}/thresholds`, 0);
  const put = async () => {
    const seen = { version: product.version, revision: product.threshold_revision ?? undefined };
    try {
      await send("PUT", `products/${product.product}/thresholds`, { ng_above: tried.ng, review_above: tried.review, who, why, ...seen });
      setWhy("");
      setProblem(null);
    } catch (refused) {
      setProblem(refused);
    }
    refresh();
    onChanged();
  };
  const ready = moved && who !== "" && why !== "";
  return html`<div class="card put">
    <h3>${t("put.title")}</h3>
    <p class="hint">${t("thresholds.both", { review: number(tried.review), ng: number(tried.ng) })}</p>
    <div class="put-form"><${Inspector} />
      <label class="choice">${t("put.why")}<input type="text" value=${why} maxlength="1000" autocomplete="off"
        onInput=${(event) => setWhy(event.target.value)} /></label>
      <${ConfirmButton} label=${t("put.do")} question=${t("put.sure")} kind="is-primary" disabled=${!ready} onConfirm=${put} /></div>
    <${Refused} problem=${problem} />
    <ul class="changes">${(known?.history ?? []).slice(-SHOWN).reverse().map((it) => html`<li key=${`${it.version} ${it.revision}`}>
      <b>${t("put.revision", { n: it.revision, version: it.version })}</b> ${number(it.review_above)} / ${number(it.ng_above)} ·
      ${author(it)} · ${it.why} · <span title=${it.at}>${moment(it.at)}</span></li>`)}</ul>
  </div>`;
}
