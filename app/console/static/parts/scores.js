// Scores that parts got, and what other thresholds would have made of them. Plain arithmetic, no page.
import { read } from "../api.js";

const LOOKED_THROUGH = 20_000; // newest numbers of the ledger
const ENOUGH = 2000; // scores of one product
const PAGE = 1000;

/** The newest judged parts of a product, [{id, part_id, score, verdict}], oldest first; errors and trials are none. */
export async function loadScores(product, signal) {
  const found = [];
  let after = `latest-${LOOKED_THROUGH}`;
  for (let more = true; more; ) {
    const query = new URLSearchParams({ after, product, limit: PAGE, simulated: false });
    const page = await read(`verdicts?${query}`, { signal });
    for (const { id, part_id, score, verdict } of page.verdicts) {
      if (score !== null) found.push({ id, part_id, score, verdict });
    }
    ({ cursor: after, more } = page);
  }
  return found.slice(-ENOUGH);
}

/** detector/verdict.py: above `ng` is ng, above `review` goes to a person. */
export function judge(score, { review, ng }) {
  if (score > ng) return "ng";
  return score > review ? "review" : "ok";
}

/** What `tried` thresholds make of the parts, beside what `now` ones make: {ok, review, ng, flips: [{…, from, to}]}. */
export function whatIf(parts, now, tried) {
  const result = { ok: 0, review: 0, ng: 0, flips: [] };
  for (const part of parts) {
    const [from, to] = [judge(part.score, now), judge(part.score, tried)];
    result[to] += 1;
    if (from !== to) result.flips.push({ ...part, from, to });
  }
  return result;
}

/** Wilson's 95 % interval of a share `hits` of `all`; [0, 1] of nothing. */
export function interval(hits, all) {
  if (all === 0) return [0, 1];
  const [z, share] = [1.959964, hits / all];
  const middle = share + (z * z) / (2 * all);
  const reach = z * Math.sqrt((share * (1 - share)) / all + (z * z) / (4 * all * all));
  const whole = 1 + (z * z) / all;
  return [Math.max(0, (middle - reach) / whole), Math.min(1, (middle + reach) / whole)];
}

/** Counts in `bins` equal steps from `low` to `high`; what lies outside is in the first or the last. */
export function histogram(scores, low, high, bins) {
  const counts = new Array(bins).fill(0);
  for (const score of scores) {
    const bin = Math.floor((bins * (score - low)) / (high - low));
    counts[Math.min(bins - 1, Math.max(0, bin))] += 1;
  }
  return counts;
}
