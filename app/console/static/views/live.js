// The line as it runs: of every station the last part, large, and those before it.
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { lanes as lanesStore } from "../feed.js";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { Nothing } from "../parts/controls.js";
import { Badge, ScoreBar, Shape, Tally } from "../parts/verdict.js";
import { Thumbnail } from "../parts/thumbnail.js";
import { useStore } from "../store.js";
import { clock, moment, number, span, t } from "../words.js";
import { Detail } from "./detail.js";

const SHOWN = 24; // tiles of a lane; those that do not fit are cut off

/** All stations; a press or Enter opens a part, space holds the picture still. */
export function Live() {
  const live = useStore(lanesStore);
  const [held, setHeld] = useState(null);
  const [opened, setOpened] = useState(null);
  const lanes = held ?? live;
  const newest = useRef(null);
  newest.current = newestOf(lanes);
  useKeys({
    " ": () => setHeld(held ? null : live),
    Enter: () => setOpened(newest.current),
  });
  const around = opened && (lanes.find((lane) => lane.parts.some((part) => part.id === opened.id))?.parts ?? []);
  return html`<section class="live" aria-label=${t("view.live")}>
    ${held && html`<p class="note is-held">${t("live.held")}
      <button type="button" class="button" onClick=${() => setHeld(null)}>${t("live.go_on")}</button></p>`}
    ${lanes.length === 0 && html`<${Nothing} title=${t("live.nothing")} hint=${t("live.nothing_hint")} />`}
    <div class="lanes lanes-${Math.min(lanes.length, 4)}">
      ${lanes.map((lane) => html`<${Lane} key=${lane.name} lane=${lane} onOpen=${setOpened} />`)}
    </div>
    ${opened && html`<${Detail} verdict=${opened} around=${around} onMove=${setOpened} onClose=${() => setOpened(null)} />`}
  </section>`;
}

function newestOf(lanes) {
  return lanes.map((lane) => lane.parts[0]).sort((a, b) => b.seq - a.seq)[0] ?? null;
}

function Lane({ lane, onOpen }) {
  const [last, ...before] = lane.parts;
  return html`<article class="lane">
    <header class="lane-head">
      <h2>${lane.station ?? lane.product}</h2>
      ${lane.station && html`<span class="lane-product">${lane.product}</span>`}
      <${Tally} kinds=${lane.kinds} />
    </header>
    <div class="lane-body">
      <${Last} verdict=${last} onOpen=${onOpen} />
      <ol class="strip" aria-label=${t("live.before")}>
        ${before.slice(0, SHOWN).map((verdict) => html`<${Tile} key=${verdict.id} verdict=${verdict} onOpen=${onOpen} />`)}
      </ol>
    </div>
  </article>`;
}

function Last({ verdict, onOpen }) {
  const kind = verdict.verdict;
  return html`<button type="button" class="last is-${kind}" onClick=${() => onOpen(verdict)}>
    <span class="last-word"><${Shape} kind=${kind} /><span>${t(`verdict.${kind}`)}</span></span>
    ${kind !== "error" && html`<${Thumbnail} verdict=${verdict} />`}
    <span class="last-facts">
      <span class="last-part">${verdict.part_id ?? t("part.unnamed")}</span>
      ${kind === "error"
        ? html`<span class="last-code">${verdict.code}, ${t("counts_as", { kind: t(`verdict.${verdict.counts_as}`) })}</span>`
        : html`<span class="last-score">${number(verdict.score)}</span>`}
      <${ScoreBar} score=${verdict.score} thresholds=${verdict.thresholds} />
      <${Age} at=${verdict.decided_at} />
    </span>
  </button>`;
}

function Tile({ verdict, onOpen }) {
  return html`<li><button type="button" class="tile edge-${verdict.verdict}" onClick=${() => onOpen(verdict)}>
    <${Thumbnail} verdict=${verdict} />
    <${Badge} kind=${verdict.verdict} />
    <span class="tile-part">${verdict.part_id ?? t("part.unnamed")}</span>
    <span class="tile-score">${verdict.score === null ? verdict.code : number(verdict.score)}</span>
    <${ScoreBar} score=${verdict.score} thresholds=${verdict.thresholds} />
  </button></li>`;
}

/** A still picture on a line that runs must not be taken for news. */
function Age({ at }) {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, (Date.now() - new Date(at)) / 1000);
  return html`<span class="last-age" title="${moment(at)} · ${at}">${clock(at)} · ${t("ago", { span: span(seconds) })}</span>`;
}
