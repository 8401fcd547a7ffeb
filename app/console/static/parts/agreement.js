// How often people agreed with the verdicts: rates with their intervals, which are wide until enough was looked at.
import { useEffect } from "../vendor/hooks.js";
import { usePolled } from "../api.js";
import { html } from "../html.js";
import { number, percent, t } from "../words.js";
import { Refused } from "./controls.js";
import { Badge } from "./verdict.js";

/** Of one product; asked again whenever `after` changes. */
export function Agreement({ product, after }) {
  const { value, problem, refresh } = usePolled(`products/${product}/agreement`, 0);
  useEffect(() => void (after && refresh()), [after]);
  if (!value) return html`<${Refused} problem=${problem} />`;
  return html`<div class="card">
    <h2 class="title">${t("agreement")}</h2>
    <${Rate} name=${t("agreement.false_reject")} rate=${value.false_reject} />
    <${Rate} name=${t("agreement.escape")} rate=${value.escape} />
    <table class="table"><thead><tr><td></td><th>${t("agreement.parts")}</th><th>${t("agreement.looked_at")}</th>
      <th>${t("agreement.defective")}</th></tr></thead>
      <tbody>${Object.entries(value.looked).map(([kind, it]) => html`<tr key=${kind}><th scope="row"><${Badge} kind=${kind} /></th>
        <td>${number(it.parts, 0)}</td><td>${number(it.looked_at, 0)}</td><td>${number(it.defective, 0)}</td></tr>`)}</tbody></table>
    <p class="hint">${t("agreement.means", { confidence: percent(value.confidence, 0) })}</p>
  </div>`;
}

function Rate({ name, rate }) {
  const says = `${percent(rate.low)} – ${percent(rate.high)}`;
  return html`<div class="rate"><span>${name}</span><b>${rate.rate === null ? t("agreement.unknown") : percent(rate.rate)}</b>
    <span class="rate-track" role="img" aria-label=${`${t("interval")} ${says}`}>
      <i style=${{ left: `${100 * rate.low}%`, width: `${Math.max(0.5, 100 * (rate.high - rate.low))}%` }}></i></span>
    <small>${says}</small></div>`;
}
