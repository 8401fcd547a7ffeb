// Keyboard shortcuts: one table per view, alive while the view is.
import { useEffect, useRef } from "./vendor/hooks.js";

const MOVES = /^(Arrow|Page|Home|End)/;
const PRESSES = new Set(["Enter", " "]); // what has the focus is pressed by them

/** `table`: key → action. Nothing happens while somebody writes, or holds Ctrl, Alt or the like, or while another dialog
 * than the one of the class `dialog` is open: who reads the help must not judge a part. */
export function useKeys(table, dialog = "") {
  const current = useRef(table);
  current.current = table;
  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || isTaken(event)) return;
      if (([...document.querySelectorAll("dialog[open]")].at(-1)?.className ?? "") !== dialog) return;
      if (PRESSES.has(event.key) && event.target.closest?.("button, a, input, summary, dialog")) return;
      const action = current.current[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}

/** Whether the key belongs to what has the focus: text takes every key, a slider those that move it. */
function isTaken({ target, key }) {
  if (target.matches?.("input[type=range], [role=slider]")) return MOVES.test(key);
  return Boolean(target.matches?.("select, textarea, input:not([type=checkbox])"));
}
