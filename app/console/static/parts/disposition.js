// What a person found of a part: one press, or one key.
import { useEffect, useState } from "../vendor/hooks.js";
import { read, send } from "../api.js";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { createRemembered, useStore } from "../store.js";
import { moment, t } from "../words.js";
import { Refused } from "./controls.js";

/** Who looks at parts here; asked for once a session. */
export const inspector = createRemembered("inspect.inspector", "");

/** Record `found` ("good" or "defective") of a verdict. */
export function dispose(verdict, found) {
  return send("POST", `verdicts/${verdict.id}/disposition`, { found, who: inspector.get() });
}

/** Who did it: the person that was named, and the key that it came with, where the service has keys. */
export const author = ({ who, operator }) => (operator ? `${operator} (${who})` : who);

/** The field for the inspector's name. */
export function Inspector() {
  const name = useStore(inspector);
  return html`<label class="choice">${t("inspector")}
    <input type="text" value=${name} maxlength="200" placeholder=${t("inspector.hint")} autocomplete="off"
      onInput=${(event) => inspector.set(event.target.value)} /></label>`;
}

/** Two large buttons, and what was found before: a piece of the dialog of a part. */
export function Disposition({ verdict }) {
  const name = useStore(inspector);
  const [before, setBefore] = useState([]);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    let current = true;
    read(`verdicts/${verdict.id}/dispositions`).then((found) => current && setBefore(found), setProblem);
    return () => {
      current = false;
    };
  }, [verdict.id]);
  const say = async (found) => {
    if (!name) return;
    try {
      const said = await dispose(verdict, found);
      setBefore((known) => [...known, said]);
      setProblem(null);
    } catch (refused) {
      setProblem(refused);
    }
  };
  useKeys({ g: () => say("good"), d: () => say("defective") }, "detail");
  return html`<div class="disposition">
    ${!name && html`<p class="hint">${t("inspector.needed")}</p>`}
    <${Inspector} />
    <div class="disposition-buttons">
      <button type="button" class="button is-good" disabled=${!name} onClick=${() => say("good")}>
        ${t("found.good")} <kbd>G</kbd></button>
      <button type="button" class="button is-defective" disabled=${!name} onClick=${() => say("defective")}>
        ${t("found.defective")} <kbd>D</kbd></button>
    </div>
    ${before.length > 0 && html`<p class="hint">${before.map((it) => html`<span class="said" key=${it.at}>
      ${t(`found.${it.found}`)} · ${author(it)} · ${moment(it.at)}</span>`)}</p>`}
    <${Refused} problem=${problem} />
  </div>`;
}
