// The scores of the last parts with both thresholds, to be moved: what would have become of those parts?
// Nothing here changes the line, until somebody puts new thresholds in force, with a name and a reason.
import { useEffect, useState } from "../vendor/hooks.js";
import { Fragment } from "../vendor/preact.js";
import { send } from "../api.js";
import { html } from "../html.js";
import { hasSimulation, hasThresholds } from "../offers.js";
import { number, percent, t } from "../words.js";
import { Nothing, Refused } from "./controls.js";
import { Histogram } from "./histogram.js";
import { loadScores, whatIf, whatIfOf } from "./scores.js";
import { PutThresholds } from "./thresholds.js";
import { Badge } from "./verdict.js";

const SETTLE_MS = 200; // after the last move, the service is asked
const SHOWN_FLIPS = 8;

/** A product's study, and the card that puts it in force; `tried` begins where the thresholds are. */
export function ThresholdStudy({ product, onChanged }) {
  const now = { review: product.review_above, ng: product.ng_above };
  const [parts, setParts] = useState(null);
  const [problem, setProblem] = useState(null);
  const [tried, setTried] = useState(now);
  const load = (signal) => loadScores(product, signal).then(setParts, (error) => signal?.aborted || setProblem(error));
  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal);
    return () => stop.abort();
  }, [product.digest]);
  useEffect(() => setTried(now), [now.review, now.ng]);
  const moved = tried.review !== now.review || tried.ng !== now.ng;
  return html`<${Fragment}><div class="card study">
    <header class="card-head"><h3>${t("study.title")}</h3><span class="spacer"></span>
      <button type="button" class="button" onClick=${() => load()}>${t("reload")}</button>
      <button type="button" class="button" disabled=${!moved} onClick=${() => setTried(now)}>${t("study.reset")}</button></header>
    <${Refused} problem=${problem} />
    ${parts?.length === 0 && html`<${Nothing} title=${t("study.none")} hint=${t("study.none_hint")} />`}
    ${parts?.length > 0 && html`
      <p class="hint">${t("study.of", { n: number(parts.length, 0) })}</p>
      <${Histogram} scores=${parts.map((part) => part.score)} now=${now} tried=${tried} onTry=${setTried} />
      <${Outcome} product=${product} parts=${parts} now=${now} tried=${tried} />`}
  </div>
  ${hasThresholds() && html`<${PutThresholds} product=${product} tried=${tried} moved=${moved} onChanged=${onChanged} />`}<//>`;
}

/** Counted here while a threshold moves; then the service's own answer, with exact intervals, where it gives one. */
function Outcome({ product, parts, now, tried }) {
  const simulated = useSimulation(product, parts.length, tried);
  const found = simulated ?? whatIf(parts, now, tried);
  const row = (kind) => html`<tr key=${kind}><th scope="row"><${Badge} kind=${kind} /></th>
    <td>${percent(found.now[kind].rate)}</td><td><b>${percent(found.then[kind].rate)}</b></td>
    <td>${percent(found.then[kind].low)} – ${percent(found.then[kind].high)}</td></tr>`;
  return html`<table class="table outcome" aria-live="polite"><thead><tr><td></td><th>${t("study.now")}</th>
      <th>${t("study.then")}</th><th>${t("interval")}</th></tr></thead><tbody>${["ok", "review", "ng"].map(row)}</tbody></table>
    <p class="flips-count">${t("study.flips", { n: number(found.flips, 0) })}</p>
    <ul class="flips">${found.flipped.slice(0, SHOWN_FLIPS).map((part) => html`<li key=${part.id}>
      <b>${part.part_id ?? part.id.slice(0, 8)}</b> <span>${number(part.score)}</span>
      <span class="ink-${part.was}">${t(`verdict.${part.was}`)}</span> → <span class="ink-${part.becomes}">${t(`verdict.${part.becomes}`)}</span></li>`)}</ul>`;
}

/** What the service says to these thresholds; null until it has, and where it cannot. */
function useSimulation({ product }, limit, { review, ng }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    setFound(null);
    if (!hasSimulation()) return undefined;
    let current = true;
    const ask = () => send("POST", `products/${product}/thresholds:simulate`, { ng_above: ng, review_above: review, limit }).then(
      (answer) => current && setFound(whatIfOf(answer)),
      () => {}, // what was counted here stays
    );
    const timer = setTimeout(ask, SETTLE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [product, limit, review, ng]);
  return found;
}
