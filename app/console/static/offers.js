// What this service offers of what not every version has; a view asks here before it shows a thing.
import { offered } from "./api.js";

/** Whether the camera's picture of a verdict can be asked for. */
export function hasImage(verdict) {
  return Boolean(verdict.image) && offered("GET /verdicts/{}/image");
}

export const hasDrift = () => offered("GET /products/{}/drift");
export const hasSimulation = () => offered("POST /products/{}/thresholds:simulate");
export const hasThresholds = () => offered("PUT /products/{}/thresholds");
