// A verdict for the eye: a shape and a word beside every colour, and the score against what decided it.
import { html } from "../html.js";
import { number, t } from "../words.js";

const SHAPES = {
  ok: html`<circle cx="32" cy="32" r="27" class="shape-body" /><path d="M19 33l9 9 17-19" class="shape-mark" />`,
  review: html`<path d="M32 6L60 56H4z" class="shape-body" stroke-linejoin="round" />
    <path d="M32 24v15M32 46.5v1.5" class="shape-mark" />`,
  ng: html`<path d="M21 5h22l16 16v22L43 59H21L5 43V21z" class="shape-body" />
    <path d="M22 22l20 20M42 22L22 42" class="shape-mark" />`,
  error: html`<rect x="8" y="8" width="48" height="48" rx="4" class="shape-body shape-dashed" />
    <path d="M20 32h24" class="shape-mark" />`,
};

/** Circle ok, triangle review, octagon ng, dashed square error. */
export function Shape({ kind }) {
  return html`<svg class="shape" viewBox="0 0 64 64" aria-hidden="true">${SHAPES[kind]}</svg>`;
}

/** Shape and word on the verdict's colour. */
export function Badge({ kind }) {
  return html`<span class="badge is-${kind}"><${Shape} kind=${kind} />${t(`verdict.${kind}`)}</span>`;
}

/** Where a value stands between nothing and twice the ng threshold, as a share of the whole; clipped. */
export function placeOf(value, ngAbove) {
  const reach = Math.max(Math.abs(ngAbove), 1e-9);
  return Math.min(1, Math.max(0, (value - ngAbove + reach) / (2 * reach)));
}

/** The score as a needle over what is ok, review and ng; one far beyond stands at the end. */
export function ScoreBar({ score, thresholds }) {
  if (score === null || thresholds === null) return html`<div class="scorebar is-empty"></div>`;
  const ng = placeOf(thresholds.ng_above, thresholds.ng_above);
  const review = placeOf(thresholds.review_above, thresholds.ng_above);
  const at = placeOf(score, thresholds.ng_above);
  const says = t("score.says", { score: number(score), ng: number(thresholds.ng_above) });
  return html`<div class="scorebar" role="img" aria-label=${says} title=${says}>
    <span class="zone zone-ok" style=${{ width: `${100 * review}%` }}></span>
    <span class="zone zone-review" style=${{ width: `${100 * (ng - review)}%` }}></span>
    <span class="zone zone-ng" style=${{ width: `${100 * (1 - ng)}%` }}></span>
    <span class="needle" style=${{ left: `${100 * at}%` }}></span>
  </div>`;
}

/** How many of each kind, as one bar and as numbers. */
export function Tally({ kinds }) {
  const counts = ["ok", "review", "ng", "error"].map((kind) => [kind, kinds.filter((it) => it === kind).length]);
  return html`<div class="tally">
    <div class="tally-bar" aria-hidden="true">
      ${counts.map(([kind, count]) => html`<span class="is-${kind}" style=${{ flexGrow: count }}></span>`)}
    </div>
    <ul class="tally-counts">
      ${counts.map(([kind, count]) => html`<li key=${kind} class="ink-${kind}">
        <${Shape} kind=${kind} /><b>${number(count, 0)}</b> <span>${t(`verdict.${kind}`)}</span></li>`)}
    </ul>
  </div>`;
}
