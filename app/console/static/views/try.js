// One picture, inspected as the line would, and marked as a trial: it counts for no part and no rate.
import { useRef, useState } from "../vendor/hooks.js";
import { read, usePolled } from "../api.js";
import { readHeat } from "../heat.js";
import { html } from "../html.js";
import { ProductChoice, Refused } from "../parts/controls.js";
import { Badge } from "../parts/verdict.js";
import { Viewer } from "../parts/viewer.js";
import { t } from "../words.js";
import { Report } from "./detail.js";

const STATION = "console";

/** Drop a file, or choose one. */
export function Try() {
  const { value: products, problem } = usePolled("products", 0);
  const [chosen, setChosen] = useState(null);
  const [tried, setTried] = useState(null);
  const [layer, setLayer] = useState("overlay");
  const product = chosen ?? products?.[0]?.product ?? null;
  if (!product) return html`<${Refused} problem=${problem} />`;
  const inspect = async (file) => {
    if (!file) return;
    setTried({ file, busy: true });
    setTried(await tryFile(file, product));
  };
  return html`<section class="try" aria-label=${t("view.try")}>
    <header class="bar"><${ProductChoice} products=${products} value=${product} onChoose=${setChosen} />
      <span class="hint">${t("try.means")}</span></header>
    <div class="try-body ${tried?.verdict ? "has-verdict" : ""}">
      <${Drop} onFile=${inspect} busy=${tried?.busy} />
      ${tried?.problem && html`<${Refused} problem=${tried.problem} />`}
      ${tried?.verdict && html`<div class="try-seen"><${Viewer} picture=${tried.picture} heat=${tried.heat}
          regions=${tried.verdict.regions} width=${tried.verdict.picture.width} height=${tried.verdict.picture.height}
          layer=${layer} setLayer=${setLayer} /></div>
        <div class="card try-report"><header class="card-head"><${Badge} kind=${tried.verdict.verdict} /><h2>${tried.file.name}</h2></header>
          <${Report} verdict=${tried.verdict} /></div>`}
    </div>
  </section>`;
}

function Drop({ onFile, busy }) {
  const input = useRef(null);
  const [over, setOver] = useState(false);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    onFile(event.dataTransfer.files[0]);
  };
  return html`<div class="drop ${over ? "is-over" : ""}" onDragOver=${(event) => { event.preventDefault(); setOver(true); }}
    onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <svg viewBox="0 0 48 48" aria-hidden="true"><path d="M24 32V10M15 18l9-9 9 9M8 30v8a3 3 0 0 0 3 3h26a3 3 0 0 0 3-3v-8" /></svg>
    <p>${busy ? t("try.busy") : t("try.drop")}</p>
    <button type="button" class="button is-primary" disabled=${busy} onClick=${() => input.current.click()}>${t("try.choose")}</button>
    <input type="file" ref=${input} accept="image/*" hidden aria-label=${t("try.choose")}
      onChange=${(event) => { onFile(event.target.files[0]); event.target.value = ""; }} />
  </div>`;
}

/** {file, verdict, picture, heat}, or {file, problem}. A format that this browser cannot draw is inspected all the same. */
async function tryFile(file, product) {
  try {
    const query = new URLSearchParams({ product, part_id: file.name, station: STATION, simulated: true, heatmap: "png" });
    const headers = { "Content-Type": "application/octet-stream" };
    const verdict = await read(`inspect?${query}`, { method: "POST", body: file, headers });
    const bytes = Uint8Array.from(atob(verdict.heatmap.data), (character) => character.charCodeAt(0));
    const heat = await readHeat(new Blob([bytes], { type: "image/png" }), verdict.heatmap);
    return { file, verdict, heat, picture: await createImageBitmap(file).catch(() => null) };
  } catch (problem) {
    return { file, problem };
  }
}
