// Where the time of an inspection went.
import { html } from "../html.js";
import { number, t } from "../words.js";

const WHOLE = "total";
const OF_OTHERS = { pool: "device" }; // this stage is made of others, where that one is named
const FIRST = ["decode", "queue", "device"]; // in this order; what the service does after them follows

/** Stages as bars, one below the other as they ran; the whole above them. */
export function Timings({ timings }) {
  const names = Object.keys(timings).filter((name) => name !== WHOLE && !(OF_OTHERS[name] in timings));
  const ordered = [...FIRST.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST.includes(name))];
  const stages = ordered.map((name) => [name, timings[name]]);
  const whole = timings[WHOLE] ?? stages.reduce((sum, [, ms]) => sum + ms, 0);
  let before = 0;
  const rows = stages.map(([name, ms]) => {
    const row = { name, ms, from: before / whole, share: ms / whole };
    before += ms;
    return row;
  });
  return html`<div class="timings">
    ${rows.map(({ name, ms, from, share }) => html`<div class="timing" key=${name}><span>${name}</span>
      <span class="timing-track"><i style=${{ left: `${100 * Math.min(from, 1)}%`, width: `${100 * Math.min(share, 1)}%` }}></i></span>
      <b>${number(ms, 1)} ms</b></div>`)}
    <div class="timing is-whole"><span>${t("timings.total")}</span><span></span><b>${number(whole, 1)} ms</b></div>
  </div>`;
}
