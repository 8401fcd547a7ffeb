// Scores that parts got, and what other thresholds would have made of them. Plain arithmetic, no page.
import { read } from "../api.js";

const LOOKED_THROUGH = 20_000; // newest numbers of the ledger
const ENOUGH = 2000; // scores of one product
const PAGE = 1000;

/** The newest parts that the serving version judged, [{id, part_id, score}], oldest first. Errors and trials are none,
 * and scores of another version cannot be compared. */
export async function loadScores({ product, digest }, signal) {
  const found = [];
  let after = `latest-${LOOKED_THROUGH}`;
  for (let more = true; more; ) {
    const query = new URLSearchParams({ after, product, limit: PAGE, simulated: false });
    const page = await read(`verdicts?${query}`, { signal });
    for (const { id, part_id, score, model } of page.verdicts) {
      if (score !== null && model?.digest === digest) found.push({ id, part_id, score });
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

/** What `tried` thresholds make of the parts, beside what those in force `now` make: {parts, now, then, flips, flipped};
 * `now` is {ok, review, ng} as shares, `then` as {rate, low, high}, `flipped` the parts, newest first. */
export function whatIf(parts, now, tried) {
  const counts = { now: { ok: 0, review: 0, ng: 0 }, then: { ok: 0, review: 0, ng: 0 } };
  const flipped = [];
  for (const part of parts) {
    const [was, becomes] = [judge(part.score, now), judge(part.score, tried)];
    counts.now[was] += 1;
    counts.then[becomes] += 1;
    if (was !== becomes) flipped.unshift({ ...part, was, becomes });
  }
  const shares = (of) => Object.fromEntries(Object.entries(counts[of]).map(([kind, count]) => [kind, shareOf(count, parts.length)]));
  return { parts: parts.length, now: shares("now"), then: shares("then"), flips: flipped.length, flipped };
}

/** The same of the service's answer to thresholds:simulate, whose intervals are exact. */
export function whatIfOf({ parts, recorded, projected, flips, flipped }) {
  const shares = (of) => Object.fromEntries(Object.entries(of).map(([kind, { share }]) => [kind, share]));
  const all = Object.values(flips).reduce((sum, count) => sum + count, 0);
  return { parts, now: shares(recorded), then: shares(projected), flips: all, flipped };
}

function shareOf(count, all) {
  const [low, high] = interval(count, all);
  return { rate: count / all, low, high };
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
