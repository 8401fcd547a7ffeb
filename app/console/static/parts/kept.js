// How much of pictures and heatmaps is kept, of which parts, for how long.
import { usePolled } from "../api.js";
import { html } from "../html.js";
import { bytes, moment, number, t } from "../words.js";
import { Refused } from "./controls.js";

const EVERY_MS = 10_000;

/** A row for each kind. */
export function Kept() {
  const { value, problem } = usePolled("retention", EVERY_MS);
  return html`<div class="card" role="region" tabindex="0" aria-label=${t("kept")}><h2 class="title">${t("kept")}</h2>
    <${Refused} problem=${problem} />
    ${value && html`<table class="table"><thead><tr><td></td><th>${t("kept.policy")}</th><th>${t("kept.days")}</th><th>${t("kept.bytes")}</th>
      <th>${t("kept.files")}</th><th>${t("kept.held")}</th><th>${t("kept.oldest")}</th></tr></thead>
      <tbody>${["pictures", "heatmaps"].map((kind) => html`<${Row} key=${kind} kind=${kind} it=${value[kind]} />`)}</tbody></table>`}</div>`;
}

function Row({ kind, it }) {
  return html`<tr><th scope="row">${t(`kept.${kind}`)}</th><td>${it.policy}${it.trouble && html`<small class="block">${it.trouble}</small>`}</td>
    <td>${number(it.max_days, 0)}</td><td>${bytes(it.bytes)} / ${bytes(it.max_bytes)}</td><td>${number(it.files, 0)}</td>
    <td>${number(it.held_files, 0)}</td><td title=${it.oldest}>${moment(it.oldest)}</td></tr>`;
}
