/** Seeded random numbers: the same seed, the same plant, on every machine. */
export interface Random {
  /** 0 (inclusive) to 1 (exclusive). */
  uniform(): number;
  /** Mean 0, standard deviation 1. */
  normal(): number;
  /** Mean 1, never negative: gaps between events that happen by chance. */
  exponential(): number;
}

/**
 * @param purpose names one stream, e.g. `oven2/temperature`: another sensor in the plant does not change this one.
 * @see sfc32 of PractRand, https://pracrand.sourceforge.net/RNG_engines.txt
 */
export function createRandom(seed: number, purpose: string): Random {
  let [a, b, c, counter] = [seed >>> 0, hashOf(purpose), 0x9e3779b9, 1];
  const next = () => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return result >>> 0;
  };
  // The first rounds still show the seed.
  for (let i = 0; i < 12; i++) next();
  const uniform = () => next() / 2 ** 32;
  return {
    uniform,
    exponential: () => -Math.log(1 - uniform()),
    // Box-Muller.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
