// A histogram of scores with two thresholds that a finger, a mouse or the arrow keys move.
import { useRef } from "../vendor/hooks.js";
import { html } from "../html.js";
import { number, t } from "../words.js";
import { histogram, judge } from "./scores.js";

const BINS = 60;
const [WIDTH, HEIGHT, TOP, FOOT] = [900, 300, 44, 34];
const STEPS = 200; // presses of an arrow key from one end to the other

/** `now` and `tried` are {review, ng}; `onTry` is given the moved ones. review never stands above ng. */
export function Histogram({ scores, now, tried, onTry }) {
  const svg = useRef(null);
  const [low, high] = rangeOf(scores, now);
  const counts = histogram(scores, low, high, BINS);
  const most = Math.log1p(Math.max(...counts));
  const x = (value) => (WIDTH * (value - low)) / (high - low);
  const move = (name, value) => {
    const kept = Math.min(high, Math.max(low, value));
    onTry(name === "ng" ? { ng: kept, review: Math.min(tried.review, kept) } : { ng: Math.max(tried.ng, kept), review: kept });
  };
  const at = (event) => {
    const box = svg.current.getBoundingClientRect();
    return low + ((high - low) * (event.clientX - box.left)) / box.width;
  };
  const floor = HEIGHT - FOOT;
  return html`<svg class="histogram" viewBox="0 0 ${WIDTH} ${HEIGHT}" ref=${svg} role="group" aria-label=${t("study.title")}>
    ${counts.map((count, bin) => {
      const middle = low + ((bin + 0.5) * (high - low)) / BINS;
      const tall = count === 0 ? 0 : Math.max(3, ((floor - TOP) * Math.log1p(count)) / most);
      return html`<rect key=${bin} class="bar bar-${judge(middle, tried)}" x=${(bin * WIDTH) / BINS + 1} width=${WIDTH / BINS - 2}
        y=${floor - tall} height=${tall}><title>${number(middle)}: ${count}</title></rect>`;
    })}
    <line class="axis" x1="0" x2=${WIDTH} y1=${floor} y2=${floor} />
    ${[0, 0.25, 0.5, 0.75, 1].map((share) => html`<text key=${share} class="tick" x=${share * WIDTH} y=${HEIGHT - 10}
      text-anchor=${share === 0 ? "start" : share === 1 ? "end" : "middle"}>${number(low + share * (high - low))}</text>`)}
    ${["review", "ng"].map((name) => html`<line key=${name} class="was" x1=${x(now[name])} x2=${x(now[name])} y1=${TOP} y2=${floor} />`)}
    ${["review", "ng"].map((name) => html`<${Handle} key=${name} name=${name} x=${x(tried[name])} value=${tried[name]}
      low=${low} high=${high} at=${at} onMove=${(value) => move(name, value)} />`)}
  </svg>`;
}

/** Both thresholds, most scores, and some room; what lies far out is in the last bin, and does not make the rest small. */
function rangeOf(scores, now) {
  const sorted = [...scores].sort((a, b) => a - b);
  const low = Math.min(sorted[0], now.review);
  const reach = now.ng - low;
  const high = Math.min(now.ng + 2 * reach, Math.max(sorted[Math.floor(0.98 * (sorted.length - 1))], now.ng + reach));
  const room = 0.03 * Math.max(high - low, 1e-6);
  return [low - room, high + room];
}

function Handle({ name, x, value, low, high, at, onMove }) {
  const press = (event) => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!step) return;
    event.preventDefault();
    onMove(value + (step * (high - low)) / STEPS);
  };
  const lift = name === "ng" ? 0 : 22; // labels of thresholds that lie close together do not cover each other
  const label = `${t(`verdict.${name}`)} ${number(value)}`;
  const left = x > WIDTH - 130;
  return html`<g class="handle handle-${name}" role="slider" tabindex="0" aria-label=${t(`thresholds.${name}`)} aria-valuemin=${low}
    aria-valuemax=${high} aria-valuenow=${value} aria-valuetext=${number(value)} data-threshold=${name}
    onPointerDown=${(event) => event.currentTarget.setPointerCapture(event.pointerId)}
    onPointerMove=${(event) => event.currentTarget.hasPointerCapture(event.pointerId) && onMove(at(event))} onKeyDown=${press}>
    <rect class="handle-reach" x=${x - 22} y="0" width="44" height=${HEIGHT - FOOT} />
    <line x1=${x} x2=${x} y1=${TOP} y2=${HEIGHT - FOOT} />
    <circle cx=${x} cy=${HEIGHT - FOOT} r="9" />
    <text x=${left ? x - 6 : x + 6} y=${18 + lift} text-anchor=${left ? "end" : "start"}>${label}</text>
  </g>`;
}
