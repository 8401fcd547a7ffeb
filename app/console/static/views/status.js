// What the service is doing: is it ready, what holds it up, what went wrong lately.
import { usePolled } from "../api.js";
import { html } from "../html.js";
import { hasDrift, hasRetention } from "../offers.js";
import { Figure, Nothing, Refused } from "../parts/controls.js";
import { Drift } from "../parts/drift.js";
import { Kept } from "../parts/kept.js";
import { bytes, moment, number, span, t } from "../words.js";

const WORKING = ["idle", "busy"]; // states of a worker that can inspect
const EVERY_MS = 2000;
const ERRORS_MS = 5000;
const ERRORS = 12;
const LOOKED_THROUGH = 5000; // newest numbers of the ledger

/** All of it, and again every two seconds. */
export function Status() {
  const { value: status, problem } = usePolled("status", EVERY_MS);
  if (!status) return html`<${Refused} problem=${problem} />`;
  const ready = status.not_ready.length === 0;
  const up = status.workers.filter((worker) => WORKING.includes(worker.state)).length;
  return html`<section class="status" aria-label=${t("view.status")}>
    <${Refused} problem=${problem} />
    ${status.degraded && html`<p class="note is-warning">${t(`status.degraded.${status.degraded}`)}</p>`}
    <div class="figure-row">
      <${Figure} name=${t("status.state")} kind=${ready ? "is-up" : "is-down"} value=${t(ready ? "status.ready" : "status.not_ready")}
        note=${status.not_ready[0]} />
      <${Figure} name=${t("status.workers")} value=${`${up} / ${status.workers.length}`} kind=${up ? "is-up" : "is-down"} />
      <${Figure} name=${t("status.held")} value=${number(status.queues.total.pictures, 0)}
        note=${t("status.waiting", { n: status.queues.waiting })} />
      <${Figure} name=${t("status.oldest")} value=${`${number(status.queues.total.oldest_s, 1)} ${t("unit.s")}`} />
      <${Figure} name=${t("status.uptime")} value=${span(status.uptime_s)} note=${`inspect-line ${status.version}`} />
    </div>
    <div class="columns">
      <div class="card" role="region" tabindex="0" aria-label=${t("status.devices")}><h2 class="title">${t("status.devices")}</h2><${Workers} workers=${status.workers} /></div>
      <div class="card" role="region" tabindex="0" aria-label=${t("view.products")}><h2 class="title">${t("view.products")}</h2><${Loaded} status=${status} /></div>
    </div>
    ${hasDrift() && html`<${Drift} products=${status.products.map((it) => it.product)} />`}
    ${hasRetention() && html`<${Kept} />`}
    <div class="card" role="region" tabindex="0" aria-label=${t("status.errors")}><h2 class="title">${t("status.errors")}</h2><${Errors} /></div>
  </section>`;
}

function Workers({ workers }) {
  return html`<table class="table"><thead><tr><th>${t("status.device")}</th><th>${t("status.state")}</th><th>${t("status.since")}</th>
    <th>${t("status.restarts")}</th><th>${t("status.resident")}</th><th>${t("status.models")}</th></tr></thead>
    <tbody>${workers.map((it) => html`<tr key=${it.device}><td><b>${it.device}</b>${it.runs_on !== it.device && ` (${it.runs_on})`}</td>
      <td><span class="state ${WORKING.includes(it.state) ? "is-up" : "is-down"}">${t(`worker.${it.state}`)}</span></td><td class="wide" title=${it.since}>${moment(it.since)}</td>
      <td>${number(it.restarts, 0)}</td><td>${bytes(it.resident_bytes)}</td><td>${it.memory.map((held) => html`<div key=${held.model}>${held.model}<small
        class="block quiet">${t(`memory.${held.state}`)}</small></div>`)}</td></tr>`)}</tbody></table>`;
}

function Loaded({ status }) {
  return html`<table class="table"><thead><tr><th>${t("product")}</th><th>${t("status.state")}</th><th>${t("version")}</th>
    <th>${t("golden")} Δ</th><th>${t("status.on")}</th><th>${t("status.held")}</th></tr></thead>
    <tbody>${status.products.map((it) => html`<tr key=${it.product}><td><b>${it.product}</b>${it.reason && html`<small class="block">${it.reason}</small>`}</td>
      <td><span class="state ${it.state === "serving" ? "is-up" : "is-down"}">${t(`state.${it.state}`)}</span></td><td>${it.version ?? "–"}</td>
      <td>${it.golden_delta === null ? "–" : it.golden_delta.toExponential(1)}</td><td>${it.devices.join(", ") || "–"}</td>
      <td>${number(status.queues.products[it.product]?.pictures ?? 0, 0)}</td></tr>`)}</tbody></table>`;
}

function Errors() {
  const { value, problem } = usePolled(`verdicts?after=latest-${LOOKED_THROUGH}&verdict=error&limit=1000`, ERRORS_MS);
  if (!value) return html`<${Refused} problem=${problem} />`;
  const newest = value.verdicts.slice(-ERRORS).reverse();
  if (newest.length === 0) return html`<${Nothing} title=${t("status.no_errors")} />`;
  return html`<table class="table"><thead><tr><th>${t("decided")}</th><th>${t("status.code")}</th><th>${t("product")}</th><th>${t("detail.part")}</th>
    <th>${t("status.counts")}</th><th>${t("status.says")}</th></tr></thead>
    <tbody>${newest.map((it) => html`<tr key=${it.id}><td title=${it.decided_at}>${moment(it.decided_at)}</td><td><b>${it.code}</b></td>
      <td>${it.product}</td><td>${it.part_id ?? "–"}</td><td>${t(`verdict.${it.counts_as}`)}</td><td class="wide">${it.detail}</td></tr>`)}</tbody></table>`;
}
