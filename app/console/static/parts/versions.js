// Versions of a product: load one before it is needed, change over, go back. The service proves each before it serves.
import { useEffect, useState } from "../vendor/hooks.js";
import { read, send, usePolled } from "../api.js";
import { html } from "../html.js";
import { number, t } from "../words.js";
import { ConfirmButton, Refused } from "./controls.js";

const EVERY_MS = 4000;
const PROGRESS_MS = 400;

/** The list, newest first, with what can be done to each. */
export function Versions({ product, onChanged }) {
  const { value: versions, problem, refresh } = usePolled(`products/${product}/versions`, EVERY_MS);
  const [busy, setBusy] = useState(null);
  const [refused, setRefused] = useState(null);
  const act = async (name, path) => {
    setBusy(name);
    setRefused(null);
    try {
      await send("POST", `products/${product}/${path}`);
    } catch (error) {
      setRefused(error);
    }
    setBusy(null);
    refresh();
    onChanged();
  };
  return html`<div class="card">
    <header class="card-head"><h3>${t("versions")}</h3><span class="spacer"></span>
      <${ConfirmButton} label=${t("rollback")} question=${t("rollback.sure")} disabled=${busy !== null}
        onConfirm=${() => act("rollback", "rollback")} /></header>
    ${busy && html`<div class="progress" role="status"><span>${t("proving")}</span><progress></progress></div>`}
    <${Preparation} product=${product} />
    <${Refused} problem=${refused ?? problem} />
    <ol class="versions">
      ${[...(versions ?? [])].reverse().map((it) => html`<li key=${it.version} class=${it.serving ? "is-serving" : ""}>
        <b>${t("version.n", { n: it.version })}</b>
        <span class="state ${it.serving ? "is-up" : ""}">${it.serving ? t("state.serving") : it.active ? t("state.active") : ""}</span>
        <span class="spacer"></span>
        <span class="buttons"><button type="button" class="button" disabled=${busy !== null || it.serving}
          onClick=${() => prepare(product, it.version, setRefused)}>${t("prepare")}</button>
        <${ConfirmButton} label=${t("activate")} question=${t("activate.sure", { n: it.version })} kind="is-primary"
          disabled=${busy !== null || it.serving} onConfirm=${() => act(it.version, `versions/${it.version}/activate`)} /></span>
      </li>`)}
    </ol>
  </div>`;
}

const preparing = new EventTarget(); // so that the press of a button is seen at once, not at the next look

async function prepare(product, version, onRefused) {
  try {
    await send("POST", `products/${product}/prepare`, { version });
    onRefused(null);
    preparing.dispatchEvent(new Event("begun"));
  } catch (error) {
    onRefused(error);
  }
}

/** How far the load that was asked for is. */
function Preparation({ product }) {
  const [state, setState] = useState(null);
  useEffect(() => {
    let timer;
    const look = async () => {
      const found = await read(`products/${product}/prepare`).catch(() => null);
      setState(found);
      if (found?.state === "loading") timer = setTimeout(look, PROGRESS_MS);
    };
    preparing.addEventListener("begun", look);
    return () => {
      preparing.removeEventListener("begun", look);
      clearTimeout(timer);
    };
  }, [product]);
  if (state === null) return null;
  const share = state.state === "loading" ? Math.min(0.95, state.elapsed_s / Math.max(state.estimated_s, 0.1)) : 1;
  return html`<div class="progress" role="status">
    <span>${t(`preparation.${state.state}`, { n: state.version, s: number(state.elapsed_s, 1) })}</span>
    ${state.state === "failed" ? html`<p class="note is-refused">${state.reason}</p>` : html`<progress value=${share}></progress>`}
  </div>`;
}
