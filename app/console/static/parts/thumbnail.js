// What a part looks like, small: the camera's picture under its map where both are there, else what is there.
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { paint } from "../heat.js";
import { html } from "../html.js";
import { hasImage } from "../offers.js";
import { loadHeat, loadPicture } from "../pictures.js";
import { Shape } from "./verdict.js";

const SETTLE_MS = 120; // a tile that has gone again by then was not looked at

/** A canvas of the verdict's picture; its shape until there is one. */
export function Thumbnail({ verdict }) {
  const [frame, canvas] = [useRef(null), useRef(null)];
  const [drawn, setDrawn] = useState(false);
  useEffect(() => {
    const gone = new AbortController();
    setDrawn(false);
    let timer;
    const draw = () => drawThumbnail(canvas.current, verdict, gone.signal).then(setDrawn, () => {
      // gone, expired or refused: the shape stays
    });
    const sight = new IntersectionObserver(([seen]) => {
      clearTimeout(timer);
      if (seen.isIntersecting) timer = setTimeout(draw, SETTLE_MS);
    });
    sight.observe(frame.current);
    return () => {
      sight.disconnect();
      clearTimeout(timer);
      gone.abort();
    };
  }, [verdict.id]);
  return html`<div class="thumb ${drawn ? "is-drawn" : ""}" ref=${frame}>
    ${!drawn && html`<${Shape} kind=${verdict.verdict} />`}
    <canvas ref=${canvas} width="1" height="1" aria-hidden="true"></canvas>
  </div>`;
}

async function drawThumbnail(canvas, verdict, signal) {
  const { heatmap } = verdict;
  const whole = heatmap?.style === "overlay";
  const bitmap = hasImage(verdict) ? await loadPicture(verdict, "image", signal) : null;
  if (bitmap === null && (heatmap === null || heatmap.lost)) return false;
  if (bitmap === null && !whole) {
    const heat = await loadHeat(verdict, signal);
    if (!signal.aborted) paint(canvas, heat, false);
    return !signal.aborted;
  }
  const shown = bitmap ?? (await loadPicture(verdict, "heatmap", signal));
  if (signal.aborted) return false;
  const scale = Math.min(1, 320 / Math.max(shown.width, shown.height));
  canvas.width = Math.round(shown.width * scale);
  canvas.height = Math.round(shown.height * scale);
  const context = canvas.getContext("2d");
  context.drawImage(shown, 0, 0, canvas.width, canvas.height);
  if (bitmap !== null && heatmap !== null && !whole && !heatmap.lost) {
    const over = new OffscreenCanvas(1, 1);
    paint(over, await loadHeat(verdict, signal), true);
    context.globalAlpha = 0.65;
    context.drawImage(over, 0, 0, canvas.width, canvas.height);
  }
  return !signal.aborted;
}
