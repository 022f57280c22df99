/** "Did you mean": which of some words somebody may have had in mind. */

/** Of a word of eight letters two may be wrong, of one of four one. */
const WRONG_SHARE = 0.34;

/** @returns undefined when none is near */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: { known: string; wrong: number } | undefined;
  for (const each of known) {
    const wrong = distance(word.toLowerCase(), each.toLowerCase());
    if (wrong <= Math.max(word.length, each.length) * WRONG_SHARE && wrong < (best?.wrong ?? Number.POSITIVE_INFINITY))
      best = { known: each, wrong };
  }
  return best?.known;
}

/** Letters put in, left out, put for another, or two of them swapped. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const put = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + put);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      next.push(least);
    }
    [before, row] = [row, next];
  }
  return row.at(-1)!;
}
