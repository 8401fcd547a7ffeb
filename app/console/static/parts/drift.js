// Has something changed since calibration, and is it the lamp or the product? A row per product and station.
import { usePolled } from "../api.js";
import { html } from "../html.js";
import { number, percent, t } from "../words.js";
import { Refused } from "./controls.js";

const EVERY_MS = 10_000;

/** Every product's stations. */
export function Drift({ products }) {
  return html`<div class="card" role="region" tabindex="0" aria-label=${t("drift")}><h2 class="title">${t("drift")}</h2>
    <table class="table"><thead><tr><th>${t("product")}</th><th>${t("station")}</th><th>${t("drift.parts")}</th><th>${t("drift.cause")}</th>
      <th>PSI</th><th>KS</th><th>${t("drift.rejects")}</th><th>${t("drift.why")}</th></tr></thead>
      <tbody>${products.map((product) => html`<${Rows} key=${product} product=${product} />`)}</tbody></table></div>`;
}

function Rows({ product }) {
  const { value: stations, problem } = usePolled(`products/${product}/drift`, EVERY_MS);
  if (problem) return html`<tr><td>${product}</td><td colspan="7"><${Refused} problem=${problem} /></td></tr>`;
  if (!stations?.length) return html`<tr><td><b>${product}</b></td><td colspan="7" class="quiet">${t("drift.nothing")}</td></tr>`;
  return stations.map((it) => html`<tr key=${it.station}><td><b>${product}</b></td><td>${it.station || "–"}</td><td>${number(it.parts, 0)}</td>
    <td><span class="state ${it.cause === "none" ? "is-up" : "is-down"}">${t(`drift.${it.cause}`)}</span></td>
    <td>${limited(it.scores?.psi, it.scores?.psi_limit)}</td><td>${limited(it.scores?.ks, it.scores?.ks_limit)}</td>
    <td>${it.rejects.rate === null ? "–" : `${percent(it.rejects.ewma)} / ${percent(it.rejects.ewma_limit)}`}</td>
    <td class="wide">${it.reasons.join("; ") || "–"}</td></tr>`);
}

function limited(value, limit) {
  return value === undefined ? "–" : `${number(value)} / ${number(limit)}`;
}
