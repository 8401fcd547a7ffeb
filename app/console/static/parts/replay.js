// Is a verdict still what it was? The stored picture on the stored version, run again by the service.
import { useState } from "../vendor/hooks.js";
import { read } from "../api.js";
import { html } from "../html.js";
import { number, t } from "../words.js";
import { Refused } from "./controls.js";

/** A button, and what came of it. */
export function Replay({ verdict }) {
  const [state, setState] = useState({});
  const run = async () => {
    setState({ busy: true });
    setState(await read(`verdicts/${verdict.id}/replay`).then((found) => ({ found }), (problem) => ({ problem })));
  };
  return html`<div class="replay">
    <button type="button" class="button" disabled=${state.busy} onClick=${run}>${t(state.busy ? "try.busy" : "replay")}</button>
    ${state.found && html`<span class="state ${state.found.equal ? "is-up" : "is-down"}" role="status">
      ${t(state.found.equal ? "replay.equal" : "replay.differs", { score: number(state.found.now.score), delta: state.found.score_delta.toExponential(1) })}</span>`}
    <${Refused} problem=${state.problem} />
  </div>`;
}
