// Products: what serves, how well, where its thresholds lie, and how another version comes to serve.
import { usePolled } from "../api.js";
import { html } from "../html.js";
import { Fact, Nothing, Refused } from "../parts/controls.js";
import { ThresholdStudy } from "../parts/study.js";
import { Versions } from "../parts/versions.js";
import { go } from "../route.js";
import { number, percent, t } from "../words.js";

const EVERY_MS = 3000;

/** `chosen` comes from the address, so that a product can be linked to. */
export function Products({ chosen }) {
  const { value: products, problem, refresh } = usePolled("products", EVERY_MS);
  const { value: status } = usePolled("status", EVERY_MS);
  if (!products) return html`<${Refused} problem=${problem} />`;
  const product = products.find((it) => it.product === chosen) ?? products[0];
  if (!product) return html`<${Nothing} title=${t("products.none")} hint=${t("products.none_hint")} />`;
  const golden = status?.products.find((it) => it.product === product.product)?.golden_delta ?? null;
  return html`<section class="split products" aria-label=${t("view.products")}>
    <nav class="side-list" aria-label=${t("view.products")}>
      ${products.map((it) => html`<button type="button" key=${it.product} class="side-item"
        aria-current=${it === product ? "true" : undefined} onClick=${() => go("products", it.product)}>
        <b>${it.product}</b>
        <span class=${it.state === "serving" ? "state is-up" : "state is-down"}>${t(`state.${it.state}`)}</span>
        <small>${it.version ? t("version.n", { n: it.version }) : "–"}</small>
      </button>`)}
    </nav>
    <div class="split-body" key=${product.product}>
      <${Summary} product=${product} golden=${golden} />
      <div class="columns">
        ${product.ng_above !== null && html`<${ThresholdStudy} product=${product} onChanged=${refresh} />`}
        <${Versions} product=${product.product} onChanged=${refresh} />
      </div>
    </div>
  </section>`;
}

function Summary({ product, golden }) {
  return html`<div class="card">
    <h2>${product.product}</h2>
    ${product.reason && html`<p class="note is-refused">${product.reason}</p>`}
    <dl class="figures">
      <${Fact} name=${t("version")}>${product.version ?? "–"}<//>
      <${Fact} name=${t("thresholds.review")}>${number(product.review_above)}<//>
      <${Fact} name=${t("thresholds.ng")}>${number(product.ng_above)}<//>
      <${Fact} name=${t("promise")}>${product.promise === null ? t("promise.none") : html`<span title=${t("promise.means")}>≤ ${percent(product.promise)}</span>`}<//>
      <${Fact} name=${t("golden")}><${Golden} delta=${golden} /><//>
      ${measured(product.metrics).map(([name, value]) => html`<${Fact} key=${name} name=${name}>
        <span title=${t("metric.means")}>${value}</span><//>`)}
    </dl>
  </div>`;
}

/** [name, figure] of what training measured on test pictures, as far as there were any. */
function measured({ image_auroc: auroc, aupro, false_reject_rate: rejects, escape_rate: escapes }) {
  const figures = [
    [t("metric.image_auroc"), auroc, (value) => number(value, 3)],
    [t("metric.aupro"), aupro, (value) => number(value, 3)],
    [t("agreement.false_reject"), rejects, percent],
    [t("agreement.escape"), escapes, percent],
  ];
  return figures.filter(([, value]) => value !== undefined).map(([name, value, write]) => [name, write(value)]);
}

/** A version whose golden pictures score otherwise than at export never serves; the rest is how far off they may be. */
function Golden({ delta }) {
  if (delta === null) return html`<span class="state is-down">${t("golden.none")}</span>`;
  return html`<span class="state is-up">${t("golden.passed")}</span> <small>Δ ${delta.toExponential(1)}</small>`;
}
