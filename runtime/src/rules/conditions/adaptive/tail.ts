/**
 * How large a statistic becomes when all is well: the greatest of each block of time (a period), of the last so many blocks.
 * From them follows the level that is exceeded only as rarely as is asked for:
 *
 *     level = the k-th greatest maximum * (k / (blocks + 1) / probability) ^ scale          Weissman's estimator
 *
 * Maxima of blocks make no difference between noise that is independent, correlated or heavy-tailed, and rare spikes: what
 * comes once a day is no alarm. The k-th greatest of them, not the greatest: a few blocks may have been bad.
 *
 * @see Weissman, Estimation of parameters and large quantiles based on the k largest observations, 1978
 */
export const BLOCKS_KEPT = 28;

/** How fast maxima grow the longer one waits: normal noise has 0.07 to 0.12, Student's t with three degrees 0.33. */
const SCALE_PRIOR = 0.12;
/** So many blocks say as much about it as the prior does. */
const PRIOR_BLOCKS = 8;
/** What a month says about the tail is not enough to believe in more. */
const SCALE_MAX = 0.2;
/** What is known of few blocks is uncertain: on the side of no alarm. */
const UNCERTAINTY = 0.15;
const HIGH = 0.85;
/** One block in eight may have been bad. */
const BLOCKS_PER_RANK = 8;
const RANK_MAX = 4;

/** @param maxima logarithms, rising; at least one. @param probability that a block exceeds it when all is well */
export function levelExceeded(maxima: Float32Array, probability: number): number {
  const count = maxima.length;
  const spread = (quantile(maxima, HIGH) - quantile(maxima, 0.5)) / (gumbel(HIGH) - gumbel(0.5));
  const shrunk = (count * spread + PRIOR_BLOCKS * SCALE_PRIOR) / (count + PRIOR_BLOCKS);
  const scale = Math.min(shrunk, SCALE_MAX) + UNCERTAINTY / Math.sqrt(count);
  const beyond = Math.max(1, rankOf(count) / (count + 1) / probability);
  return Math.exp(maxima[count - rankOf(count)]! + scale * Math.log(beyond));
}

/** What is reached when all is well, now and then. */
export function usualMaximum(maxima: Float32Array): number {
  return Math.exp(maxima[maxima.length - rankOf(maxima.length)]!);
}

function rankOf(count: number): number {
  return Math.max(1, Math.min(RANK_MAX, Math.floor((count + BLOCKS_PER_RANK / 2) / BLOCKS_PER_RANK)));
}

/** Logarithms of maxima are Gumbel distributed where there is a power in the tail; less dispersed where there is none. */
function gumbel(p: number): number {
  return -Math.log(-Math.log(p));
}

function quantile(rising: Float32Array, p: number): number {
  const at = p * (rising.length - 1);
  const low = rising[Math.floor(at)]!;
  return low + (rising[Math.ceil(at)]! - low) * (at - Math.floor(at));
}
