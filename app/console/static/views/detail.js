// One part, whole: picture and map, figures, how it came to be, and what a person found.
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { hasHeatmap, hasImage, hasReplay } from "../offers.js";
import { Fact } from "../parts/controls.js";
import { Disposition } from "../parts/disposition.js";
import { Replay } from "../parts/replay.js";
import { Timings } from "../parts/timings.js";
import { Badge, ScoreBar } from "../parts/verdict.js";
import { Viewer } from "../parts/viewer.js";
import { loadHeat, loadPicture } from "../pictures.js";
import { moment, number, t } from "../words.js";

/** `around`: parts in the order of the strip, newest first; arrows move along them. */
export function Detail({ verdict, around, onMove, onClose }) {
  const dialog = useRef(null);
  const [layer, setLayer] = useState("overlay");
  useEffect(() => dialog.current.showModal(), []);
  const move = (step) => {
    const next = around[around.findIndex((part) => part.id === verdict.id) + step];
    if (next) onMove(next);
  };
  useKeys({
    ArrowLeft: () => move(-1),
    ArrowRight: () => move(1),
    i: () => setLayer("picture"),
    o: () => setLayer("overlay"),
    m: () => setLayer("map"),
  }, "detail");
  return html`<dialog class="detail" ref=${dialog} onClose=${onClose} aria-label=${t("detail.title")}>
    <header class="detail-head">
      <${Badge} kind=${verdict.verdict} />
      <h2>${verdict.part_id ?? t("part.unnamed")}</h2>
      <span class="spacer"></span>
      <button type="button" class="button" onClick=${() => move(-1)} aria-label=${t("detail.newer")}>←</button>
      <button type="button" class="button" onClick=${() => move(1)} aria-label=${t("detail.older")}>→</button>
      <button type="button" class="button" onClick=${() => dialog.current.close()}>${t("close")}</button>
    </header>
    <div class="detail-body">
      <${Seen} verdict=${verdict} layer=${layer} setLayer=${setLayer} />
      <div class="detail-side"><${Report} verdict=${verdict} key=${verdict.id} /></div>
    </div>
  </dialog>`;
}

/** The verdict's picture and map, as far as they were kept. */
export function Seen({ verdict, layer, setLayer }) {
  const [seen, setSeen] = useState({ picture: null, heat: null });
  useEffect(() => {
    let current = true;
    setSeen({ picture: null, heat: null });
    loadSeen(verdict).then((found) => current && setSeen(found));
    return () => {
      current = false;
    };
  }, [verdict.id]);
  const size = verdict.picture?.width ? verdict.picture : (verdict.heatmap ?? seen.picture ?? { width: 1, height: 1 });
  return html`<${Viewer} ...${seen} regions=${verdict.regions} width=${size.width} height=${size.height}
    layer=${layer} setLayer=${setLayer} />`;
}

async function loadSeen(verdict) {
  const orNull = (promise) => promise.catch(() => null);
  const kept = hasHeatmap(verdict);
  const drawn = kept && verdict.heatmap.style === "overlay";
  const [image, overlay, heat] = await Promise.all([
    hasImage(verdict) ? orNull(loadPicture(verdict, "image")) : null,
    drawn ? orNull(loadPicture(verdict, "heatmap")) : null,
    kept && !drawn ? orNull(loadHeat(verdict)) : null,
  ]);
  return { picture: overlay ?? image, heat };
}

/** Everything that the record says, in the order in which it is asked for. */
export function Report({ verdict }) {
  const { thresholds, model, picture } = verdict;
  return html`
    ${verdict.verdict === "error"
      ? html`<p class="note is-refused"><b>${verdict.code}</b> ${verdict.detail}<br />
          ${t("counts_as", { kind: t(`verdict.${verdict.counts_as}`) })}</p>`
      : html`<div class="score-block"><span class="score-large">${number(verdict.score)}</span>
          <${ScoreBar} score=${verdict.score} thresholds=${thresholds} />
          <span class="score-note">${t("thresholds.both", { review: number(thresholds.review_above), ng: number(thresholds.ng_above) })}</span>
        </div>`}
    ${!verdict.simulated && verdict.verdict !== "error" && html`<${Disposition} verdict=${verdict} />`}
    <h3>${t("detail.part")}</h3>
    <dl class="facts">
      <${Fact} name=${t("product")}>${verdict.product}<//>
      <${Fact} name=${t("station")}>${verdict.station ?? "–"}<//>
      <${Fact} name=${t("job")}>${verdict.job ?? "–"}<//>
      <${Fact} name=${t("captured")}><${Time} at=${verdict.captured_at} /><//>
      <${Fact} name=${t("decided")}><${Time} at=${verdict.decided_at} /><//>
    </dl>
    ${verdict.regions.length > 0 && html`<h3>${t("detail.regions")}</h3><${Regions} regions=${verdict.regions} />`}
    <h3>${t("detail.timings")}</h3><${Timings} timings=${verdict.timings_ms} />
    <h3>${t("detail.provenance")}</h3>
    <dl class="facts">
      <${Fact} name=${t("version")}>${model ? `${model.version} · ${model.digest.slice(0, 12)}` : "–"}<//>
      <${Fact} name=${t("spec")}>${model?.spec_digest?.slice(0, 12) ?? "–"}<//>
      <${Fact} name=${t("thresholds.revision")}>${thresholds?.revision ?? "–"}<//>
      <${Fact} name=${t("ran_on")}>${[verdict.device, verdict.precision].filter(Boolean).join(", ") || "–"}<//>
      <${Fact} name=${t("software")}>${verdict.software ?? "–"}<//>
      <${Fact} name=${t("picture")}>${describePicture(picture)}<//>
      <${Fact} name="SHA-256">${picture?.sha256?.slice(0, 12) ?? "–"}<//>
      <${Fact} name=${t("number")}>${verdict.seq ?? "–"}<//>
      <${Fact} name="ID">${verdict.id}<//>
      <${Fact} name=${t("request")}>${verdict.request_id ?? "–"}<//>
    </dl>
    ${hasReplay(verdict) && html`<${Replay} verdict=${verdict} />`}`;
}

function describePicture(picture) {
  return picture?.width ? `${picture.width} × ${picture.height} ${picture.format ?? ""}` : "–";
}

/** Local, with its zone; UTC, as it is stored, where one points at it. */
function Time({ at }) {
  return html`<time datetime=${at} title=${at}>${moment(at)}</time>`;
}

function Regions({ regions }) {
  return html`<table class="table"><thead><tr><th>#</th><th>x, y</th><th>${t("regions.size")}</th>
    <th>${t("regions.area")}</th><th>${t("regions.peak")}</th></tr></thead>
    <tbody>${regions.map((it, index) => html`<tr key=${index}><td>${index + 1}</td><td>${it.x}, ${it.y}</td>
      <td>${it.width} × ${it.height}</td><td>${number(it.area, 0)}</td><td>${number(it.peak)}</td></tr>`)}</tbody></table>`;
}
