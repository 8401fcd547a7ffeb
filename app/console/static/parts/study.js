// The scores of the last parts with both thresholds, to be moved: what would have become of those parts?
// Nothing here changes the line.
import { useEffect, useState } from "../vendor/hooks.js";
import { html } from "../html.js";
import { number, percent, t } from "../words.js";
import { Nothing, Refused } from "./controls.js";
import { Histogram } from "./histogram.js";
import { interval, loadScores, whatIf } from "./scores.js";
import { Badge } from "./verdict.js";

const SHOWN_FLIPS = 8;

/** A product's study; `tried` begins where the thresholds are. */
export function ThresholdStudy({ product }) {
  const now = { review: product.review_above, ng: product.ng_above };
  const [parts, setParts] = useState(null);
  const [problem, setProblem] = useState(null);
  const [tried, setTried] = useState(now);
  const load = (signal) => loadScores(product.product, signal).then(setParts, (error) => signal?.aborted || setProblem(error));
  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal);
    return () => stop.abort();
  }, [product.product]);
  useEffect(() => setTried(now), [now.review, now.ng]);
  const moved = tried.review !== now.review || tried.ng !== now.ng;
  return html`<div class="card study">
    <header class="card-head"><h3>${t("study.title")}</h3><span class="spacer"></span>
      <button type="button" class="button" onClick=${() => load()}>${t("reload")}</button>
      <button type="button" class="button" disabled=${!moved} onClick=${() => setTried(now)}>${t("study.reset")}</button></header>
    <${Refused} problem=${problem} />
    ${parts?.length === 0 && html`<${Nothing} title=${t("study.none")} hint=${t("study.none_hint")} />`}
    ${parts?.length > 0 && html`
      <p class="hint">${t("study.of", { n: number(parts.length, 0) })}</p>
      <${Histogram} scores=${parts.map((part) => part.score)} now=${now} tried=${tried} onTry=${setTried} />
      <${Outcome} parts=${parts} now=${now} tried=${tried} />`}
  </div>`;
}

function Outcome({ parts, now, tried }) {
  const before = whatIf(parts, now, now);
  const after = whatIf(parts, now, tried);
  const row = (kind) => {
    const [low, high] = interval(after[kind], parts.length);
    return html`<tr key=${kind}><th scope="row"><${Badge} kind=${kind} /></th>
      <td>${percent(before[kind] / parts.length)}</td><td><b>${percent(after[kind] / parts.length)}</b></td>
      <td>${percent(low)} – ${percent(high)}</td></tr>`;
  };
  return html`<table class="table outcome" aria-live="polite"><thead><tr><td></td><th>${t("study.now")}</th>
      <th>${t("study.then")}</th><th>${t("interval")}</th></tr></thead><tbody>${["ok", "review", "ng"].map(row)}</tbody></table>
    <p class="flips-count">${t("study.flips", { n: number(after.flips.length, 0) })}</p>
    <ul class="flips">${after.flips.slice(-SHOWN_FLIPS).map((part) => html`<li key=${part.id}>
      <b>${part.part_id ?? part.id.slice(0, 8)}</b> <span>${number(part.score)}</span>
      <span class="ink-${part.from}">${t(`verdict.${part.from}`)}</span> → <span class="ink-${part.to}">${t(`verdict.${part.to}`)}</span></li>`)}</ul>`;
}
