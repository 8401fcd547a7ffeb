// Asks for an API key. It stays in this tab's session and goes nowhere but into the header of requests to this service.
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { key, learnOffers, needsKey, Problem } from "../api.js";
import { html } from "../html.js";
import { restart } from "../session.js";
import { t } from "../words.js";
import { Refused } from "./controls.js";

/** `wrong`: the key that is known was refused. */
export function KeyDialog({ wrong, onClose }) {
  const dialog = useRef(null);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(null);
  useEffect(() => dialog.current.showModal(), []);
  const submit = async (event) => {
    event.preventDefault();
    key.set(text.trim());
    try {
      await learnOffers();
    } catch (refused) {
      setProblem(refused instanceof Problem ? refused : new Problem(0, { detail: String(refused) }));
      return;
    }
    needsKey.set(false);
    onClose();
    restart();
  };
  return html`<dialog class="small-dialog" ref=${dialog} onClose=${onClose} aria-labelledby="key-title">
    <form onSubmit=${submit}>
      <h2 id="key-title">${t("key.title")}</h2>
      <p class="hint">${t("key.means")}</p>
      ${wrong && !problem && html`<p class="note is-refused">${t("key.refused")}</p>`}
      <${Refused} problem=${problem} />
      <input type="password" autocomplete="off" aria-label=${t("key.title")} value=${text} autofocus
        onInput=${(event) => setText(event.target.value)} />
      <div class="dialog-buttons">
        <button type="button" class="button" onClick=${() => dialog.current.close()}>${t("close")}</button>
        <button type="submit" class="button is-primary">${t("key.use")}</button>
      </div>
    </form>
  </dialog>`;
}
