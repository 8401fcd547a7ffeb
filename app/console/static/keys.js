// Keyboard shortcuts: one table per view, alive while the view is.
import { useEffect, useRef } from "./vendor/hooks.js";

const PRESSES = new Set(["Enter", " "]); // what has the focus is pressed by them

/** `table`: key → action. Nothing happens while somebody writes, or holds Ctrl, Alt or the like. */
export function useKeys(table) {
  const current = useRef(table);
  current.current = table;
  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || isWriting(event.target)) return;
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

function isWriting(target) {
  if (target.matches?.("select, textarea, [role=slider]")) return true;
  return Boolean(target.matches?.("input:not([type=checkbox])"));
}
