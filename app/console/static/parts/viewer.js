// A part and what was seen in it: the picture, the map over it or alone, and the places that decided.
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { paint } from "../heat.js";
import { html } from "../html.js";
import { t } from "../words.js";

const OPACITY = 65; // per cent; the service's own overlay has as much

/** `picture`: a bitmap or null; `heat`: of heat.js or null; `regions` in pixels of the picture, `width` x `height`.
 * `layer` and `setLayer` are "picture", "overlay" or "map". */
export function Viewer({ picture, heat, regions, width, height, layer, setLayer }) {
  const [opacity, setOpacity] = useState(OPACITY);
  const [marked, setMarked] = useState(true);
  const layers = layersOf(picture, heat);
  const shown = layers.includes(layer) ? layer : layers[0];
  return html`<div class="viewer">
    <div class="viewer-stage">
      <div class="viewer-part" style=${{ aspectRatio: `${width} / ${height}`, "--ratio": width / height }}>
        ${picture && shown !== "map" && html`<${Bitmap} bitmap=${picture} />`}
        ${heat && shown !== "picture" && html`<${Heat} heat=${heat} alone=${shown === "map"}
          opacity=${shown === "map" ? 1 : opacity / 100} />`}
        ${marked && html`<${Regions} regions=${regions} width=${width} height=${height} />`}
        ${layers.length === 0 && html`<p class="viewer-none">${t("viewer.none")}</p>`}
      </div>
    </div>
    <div class="viewer-tools">
      <div class="segmented" role="group" aria-label=${t("viewer.layer")}>
        ${["picture", "overlay", "map"].map((name) => html`<button type="button" key=${name}
          aria-pressed=${shown === name} disabled=${!layers.includes(name)}
          onClick=${() => setLayer(name)}>${t(`viewer.${name}`)}</button>`)}
      </div>
      <label class="slider">${t("viewer.opacity")}
        <input type="range" min="0" max="100" value=${opacity} disabled=${shown !== "overlay" || !heat}
          onInput=${(event) => setOpacity(Number(event.target.value))} />
      </label>
      <label class="check"><input type="checkbox" checked=${marked}
        onChange=${(event) => setMarked(event.target.checked)} /> ${t("viewer.regions", { n: regions.length })}</label>
    </div>
    ${heat && html`<${Legend} />`}
  </div>`;
}

/** What can be shown of what is there; a picture without a map may be the service's overlay. */
function layersOf(picture, heat) {
  if (picture && heat) return ["overlay", "picture", "map"];
  if (picture) return ["picture"];
  return heat ? ["map"] : [];
}

function Bitmap({ bitmap }) {
  const canvas = useRef(null);
  useEffect(() => {
    canvas.current.width = bitmap.width;
    canvas.current.height = bitmap.height;
    canvas.current.getContext("2d").drawImage(bitmap, 0, 0);
  }, [bitmap]);
  return html`<canvas class="layer layer-picture" ref=${canvas}></canvas>`;
}

function Heat({ heat, alone, opacity }) {
  const canvas = useRef(null);
  useEffect(() => paint(canvas.current, heat, !alone), [heat, alone]);
  return html`<canvas class="layer layer-heat" ref=${canvas} style=${{ opacity }}></canvas>`;
}

function Regions({ regions, width, height }) {
  const unit = Math.max(width, height) / 100;
  return html`<svg class="layer layer-regions" viewBox="0 0 ${width} ${height}" aria-hidden="true">
    ${regions.map((it, index) => html`<g key=${index}>
      <rect x=${it.x} y=${it.y} width=${it.width} height=${it.height} rx=${unit / 2} />
      <text x=${it.x} y=${Math.max(4 * unit, it.y - unit)} font-size=${3.6 * unit}>${index + 1}</text>
    </g>`)}
  </svg>`;
}

function Legend() {
  return html`<div class="legend"><span>${t("viewer.ordinary")}</span><i aria-hidden="true"></i>
    <span>${t("viewer.threshold")}</span><span>${t("viewer.beyond")}</span></div>`;
}
