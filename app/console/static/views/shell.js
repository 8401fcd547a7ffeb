// The frame around every view: where one is, whether the line is heard, language, key, help.
import { useEffect, useState } from "../vendor/hooks.js";
import { hasKeys, key, needsKey, offers } from "../api.js";
import { connection } from "../feed.js";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { KeyDialog } from "../parts/key_dialog.js";
import { Help } from "../parts/help.js";
import { go, route, VIEWS } from "../route.js";
import { useStore } from "../store.js";
import { clockNow, language, LANGUAGES, speak, t } from "../words.js";
import { Live } from "./live.js";
import { Products } from "./products.js";
import { Review } from "./review.js";
import { Status } from "./status.js";
import { Try } from "./try.js";

const ICONS = {
  live: "M4 12h3l3-8 4 16 3-8h3",
  review: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  products: "M3 7l9-4 9 4-9 4zM3 7v10l9 4 9-4V7M12 11v10",
  try: "M12 16V4M7 9l5-5 5 5M4 16v3a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3",
  status: "M4 20V10M10 20V4M16 20v-7M22 20H2",
};

/** Everything; drawn again when the language changes. */
export function Shell() {
  const { view, rest } = useStore(route);
  const asked = useStore(needsKey);
  const known = useStore(offers) !== null; // until then nothing is asked for that a key might be missing for
  const keyed = useStore(hasKeys);
  const [changingKey, setChangingKey] = useState(false);
  const [helping, setHelping] = useState(false);
  const spoken = useStore(language);
  useEffect(() => {
    document.title = `${t(`view.${view}`)} · inspect-line`;
  }, [view, spoken]);
  useKeys({
    ...Object.fromEntries(VIEWS.map((name, index) => [String(index + 1), () => go(name)])),
    "?": () => setHelping(true),
    f: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  });
  return html`<div class="shell">
    <nav class="rail" aria-label=${t("views")}>
      <img class="logo" src="console/assets/icon.svg" alt="inspect-line" />
      ${VIEWS.map((name) => html`<a key=${name} href=${`#/${name}`} aria-current=${name === view ? "page" : undefined}>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[name]} /></svg><span>${t(`view.${name}`)}</span></a>`)}
    </nav>
    <header class="top">
      <h1>${t(`view.${view}`)}</h1>
      <span class="spacer"></span>
      <${Connection} />
      <${Clock} />
      <select class="quiet-control" aria-label=${t("language")} value=${spoken} onChange=${(event) => speak(event.target.value)}>
        ${Object.entries(LANGUAGES).map(([name, own]) => html`<option key=${name} value=${name} lang=${name}>${own}</option>`)}
      </select>
      ${keyed && html`<button type="button" class="quiet-control" onClick=${() => setChangingKey(true)}>${t("key")}</button>`}
      <button type="button" class="quiet-control" aria-label=${t("help")} onClick=${() => setHelping(true)}>?</button>
    </header>
    <main class="view" key=${`${view} ${spoken}`}>${known && html`<${View} view=${view} rest=${rest} />`}</main>
    ${(asked || changingKey) && html`<${KeyDialog} wrong=${asked && key.get() !== ""} onClose=${() => setChangingKey(false)} />`}
    ${helping && html`<${Help} onClose=${() => setHelping(false)} />`}
  </div>`;
}

function View({ view, rest }) {
  if (view === "products") return html`<${Products} chosen=${rest} />`;
  if (view === "review") return html`<${Review} />`;
  if (view === "try") return html`<${Try} />`;
  if (view === "status") return html`<${Status} />`;
  return html`<${Live} />`;
}

function Connection() {
  const state = useStore(connection);
  return html`<span class="connection is-${state}" role="status"><i aria-hidden="true"></i>${t(`connection.${state}`)}</span>`;
}

function Clock() {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 1000);
    return () => clearInterval(timer);
  }, []);
  return html`<time class="clock" datetime=${now.toISOString()}>${clockNow(now)}</time>`;
}
