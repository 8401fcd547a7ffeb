// What a part looks like, small: the camera's picture under its map where both are there, else what is there.
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { paint } from "../heat.js";
import { html } from "../html.js";
import { hasHeatmap, hasImage } from "../offers.js";
import { loadHeat, loadPicture } from "../pictures.js";
import { Shape } from "./verdict.js";

const LARGEST = 480; // px, of a side
const OPACITY = 0.65; // of the map over the picture, as in the service's own overlay
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
  const mapped = hasHeatmap(verdict);
  const whole = mapped && verdict.heatmap.style === "overlay";
  const what = whole ? "heatmap" : "image";
  const picture = whole || hasImage(verdict) ? await loadPicture(verdict, what, signal).catch(() => null) : null;
  const heat = mapped && !whole ? await loadHeat(verdict, signal) : null;
  if (signal.aborted || (picture === null && heat === null)) return false;
  if (picture === null) {
    paint(canvas, heat, false);
    return true;
  }
  const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  if (heat !== null) {
    const over = new OffscreenCanvas(1, 1);
    paint(over, heat, true);
    context.globalAlpha = OPACITY;
    context.drawImage(over, 0, 0, canvas.width, canvas.height);
  }
  return true;
}
