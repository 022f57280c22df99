/** What went with a damaged database. */
export interface Loss {
  /** Items that waited for the hub: each is told as a gap. */
  lostItems: number;
  /** Groups of readings that functions had not passed yet; they had no numbers. */
  lostGroups: number;
  /** The accounts themselves could not be read whole: more may be lost than is counted. */
  uncounted: boolean;
}

export function lossWords({ lostItems, lostGroups, uncounted }: Loss): string {
  const counted = `${lostItems} items for the hub and ${lostGroups} groups of readings`;
  if (!uncounted) return `lost ${counted}`;
  const known = lostItems + lostGroups > 0 ? `: ${counted} at least` : '';
  return `how much is lost is not known, for its accounts could not be read${known}`;
}

/** The same for the hub: what is not known is no 0. */
export function lossFigures({ lostItems, lostGroups, uncounted }: Loss): Partial<Loss> {
  if (!uncounted) return { lostItems, lostGroups };
  return { uncounted, ...(lostItems > 0 && { lostItems }), ...(lostGroups > 0 && { lostGroups }) };
}
