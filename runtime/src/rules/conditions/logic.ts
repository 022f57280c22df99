/** Logic with three values: true, false, and undefined for what nobody knows. */
export type Verdict = boolean | undefined;

/** Whether so many hold, as far as it can be told: those that are unknown might. */
export function atLeast(wanted: number, holding: number, unknown: number): Verdict {
  if (holding >= wanted) return true;
  return holding + unknown >= wanted ? undefined : false;
}

/** Whether one of them holds, or with `every` all of them; nothing is known of none. */
export function among(verdicts: readonly Verdict[], every: boolean): Verdict {
  if (verdicts.length === 0) return undefined;
  let unknown = 0;
  for (const verdict of verdicts) {
    if (verdict === !every) return verdict;
    if (verdict === undefined) unknown++;
  }
  return unknown > 0 ? undefined : every;
}
