// Buttons, notes and figures that several views have.
import { useEffect, useState } from "../vendor/hooks.js";
import { html } from "../html.js";
import { t } from "../words.js";

const ARMED_MS = 4000;

/** A button that is pressed twice: what it does changes the line. */
export function ConfirmButton({ label, question, onConfirm, disabled, kind = "" }) {
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    if (!armed) return undefined;
    const timer = setTimeout(() => setArmed(false), ARMED_MS);
    return () => clearTimeout(timer);
  }, [armed]);
  const press = () => {
    setArmed(!armed);
    if (armed) onConfirm();
  };
  return html`<button type="button" class="button ${kind} ${armed ? "is-armed" : ""}" disabled=${disabled}
    onClick=${press}>${armed ? question : label}</button>`;
}

/** What the service refused, in its words and with its code. */
export function Refused({ problem }) {
  if (!problem) return null;
  return html`<p class="note is-refused" role="alert"><b>${problem.code}</b> ${problem.message}</p>`;
}

/** A name and what it is. */
export function Fact({ name, children }) {
  return html`<div class="fact"><dt>${name}</dt><dd>${children}</dd></div>`;
}

/** A figure to be read from afar. */
export function Figure({ name, value, note, kind = "" }) {
  return html`<div class="figure ${kind}"><span class="figure-name">${name}</span>
    <span class="figure-value">${value}</span>${note && html`<span class="figure-note">${note}</span>`}</div>`;
}

/** A view with nothing in it says so, and what would change that. */
export function Nothing({ title, hint }) {
  return html`<div class="nothing"><p class="nothing-title">${title}</p>${hint && html`<p>${hint}</p>`}</div>`;
}

/** The products that there are, to choose one. */
export function ProductChoice({ products, value, onChoose }) {
  return html`<label class="choice">${t("product")}
    <select value=${value} onChange=${(event) => onChoose(event.target.value)}>
      ${products.map(({ product }) => html`<option key=${product} value=${product}>${product}</option>`)}
    </select></label>`;
}
