// Parts that a person has to look at, one after the other, with one key each; and how well people and verdicts agree.
import { useEffect, useState } from "../vendor/hooks.js";
import { read, usePolled } from "../api.js";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { Agreement } from "../parts/agreement.js";
import { Nothing, ProductChoice, Refused } from "../parts/controls.js";
import { dispose, inspector, Inspector } from "../parts/disposition.js";
import { Badge, ScoreBar } from "../parts/verdict.js";
import { Thumbnail } from "../parts/thumbnail.js";
import { useStore } from "../store.js";
import { moment, number, t } from "../words.js";
import { Seen } from "./detail.js";

const LOOKED_THROUGH = 20_000; // newest numbers of the ledger
const QUEUE = 60; // parts; more come when these are done
const KINDS = ["review", "ng", "ok"];

/** The queue of one product and kind; `ok` parts are looked at, too, or nobody learns what escapes. */
export function Review() {
  const { value: products, problem } = usePolled("products", 0);
  const [chosen, setChosen] = useState(null);
  const [kind, setKind] = useState("review");
  const product = chosen ?? products?.[0]?.product ?? null;
  if (!product) return html`<${Refused} problem=${problem} />`;
  return html`<section class="review" aria-label=${t("view.review")}>
    <header class="bar">
      <${ProductChoice} products=${products} value=${product} onChoose=${setChosen} />
      <div class="segmented" role="group" aria-label=${t("review.kind")}>
        ${KINDS.map((name) => html`<button type="button" key=${name} aria-pressed=${name === kind}
          onClick=${() => setKind(name)}>${t(`verdict.${name}`)}</button>`)}
      </div>
      <${Inspector} />
    </header>
    <${Queue} key=${`${product} ${kind}`} product=${product} kind=${kind} />
  </section>`;
}

function Queue({ product, kind }) {
  const name = useStore(inspector);
  const [parts, setParts] = useState(null);
  const [done, setDone] = useState(0);
  const [problem, setProblem] = useState(null);
  const [layer, setLayer] = useState("overlay");
  const load = () => loadQueue(product, kind).then(setParts, setProblem);
  useEffect(() => void load(), []);
  const first = parts?.[0] ?? null;
  const leave = () => setParts(parts.slice(1));
  const say = async (found) => {
    if (!first || !name) return;
    leave(); // the next is there at once; a refusal brings this one back
    try {
      await dispose(first, found);
      setDone((count) => count + 1);
      setProblem(null);
    } catch (error) {
      setProblem(error);
      setParts((rest) => [first, ...rest]);
    }
  };
  useKeys({
    g: () => say("good"), d: () => say("defective"), s: () => first && leave(),
    i: () => setLayer("picture"), o: () => setLayer("overlay"), m: () => setLayer("map"),
  });
  return html`<div class="review-body">
    <div class="review-main">
      <${Refused} problem=${problem} />
      ${parts && !first && html`<${Nothing} title=${t("review.empty")} hint=${t("review.empty_hint")} />
        <button type="button" class="button" onClick=${load}>${t("reload")}</button>`}
      ${first && html`<${Seen} verdict=${first} layer=${layer} setLayer=${setLayer} />`}
    </div>
    <div class="review-side">
      ${first && html`<div class="card">
        <header class="card-head"><${Badge} kind=${first.verdict} /><h2>${first.part_id ?? t("part.unnamed")}</h2></header>
        <div class="score-block"><span class="score-large">${number(first.score)}</span>
          <${ScoreBar} score=${first.score} thresholds=${first.thresholds} /></div>
        <p class="hint"><span title=${first.decided_at}>${moment(first.decided_at)}</span>${first.station && ` · ${first.station}`}</p>
        ${!name && html`<p class="note">${t("inspector.needed")}</p>`}
        <div class="disposition-buttons">
          <button type="button" class="button is-good" disabled=${!name} onClick=${() => say("good")}>${t("found.good")} <kbd>G</kbd></button>
          <button type="button" class="button is-defective" disabled=${!name} onClick=${() => say("defective")}>${t("found.defective")} <kbd>D</kbd></button>
          <button type="button" class="button" onClick=${leave}>${t("review.skip")} <kbd>S</kbd></button>
        </div>
        <ol class="next" aria-label=${t("review.next")}>${parts.slice(1, 6).map((it) => html`<li key=${it.id}><${Thumbnail} verdict=${it} /></li>`)}</ol>
        <p class="hint">${t("review.left", { n: parts.length, done })}</p>
      </div>`}
      <${Agreement} product=${product} after=${done} />
    </div>
  </div>`;
}

/** Newest first; what somebody has looked at already is left out. */
async function loadQueue(product, kind) {
  const found = [];
  let after = `latest-${LOOKED_THROUGH}`;
  for (let more = true; more; ) {
    const query = new URLSearchParams({ after, product, verdict: kind, simulated: false, limit: 500 });
    const page = await read(`verdicts?${query}`);
    found.push(...page.verdicts);
    ({ cursor: after, more } = page);
  }
  const newest = found.reverse().slice(0, QUEUE);
  const said = await Promise.all(newest.map((it) => read(`verdicts/${it.id}/dispositions`)));
  return newest.filter((_, index) => said[index].length === 0);
}
