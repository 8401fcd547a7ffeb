// What this service offers of what not every version has; a view asks here before it shows a thing.
import { offered } from "./api.js";

/** Whether the camera's picture of a verdict was kept and can be asked for. */
export function hasImage(verdict) {
  return Boolean(verdict.picture?.url) && offered("GET /verdicts/{}/image");
}

/** Whether a heatmap of it was drawn and kept; retention may have removed it since. */
export function hasHeatmap({ heatmap }) {
  return heatmap !== null && !heatmap.lost && heatmap.kept !== false;
}

/** Whether a verdict can be run again: its picture was kept. */
export function hasReplay(verdict) {
  return hasImage(verdict) && offered("GET /verdicts/{}/replay");
}

export const hasRetention = () => offered("GET /retention");
export const hasDrift = () => offered("GET /products/{}/drift");
export const hasSimulation = () => offered("POST /products/{}/thresholds:simulate");
export const hasThresholds = () => offered("PUT /products/{}/thresholds");
