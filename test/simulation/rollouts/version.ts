/** What a version that is deployed does on a device; the devices know it by its hash, the hub does not. */
export const QUALITIES = ['good', 'throws', 'late', 'silences', 'noisy', 'partly'] as const;
/**
 *     good      runs
 *     throws    fails at once, everywhere
 *     late      runs for a while, and is quarantined then
 *     silences  takes the device off the network, until that goes back by itself
 *     noisy     runs, and fails at much of its input
 *     partly    throws on one device of five
 */
export type Quality = (typeof QUALITIES)[number];

export interface Version {
  name: string;
  version: string;
  hash: string;
  quality: Quality;
}

/** Whether it can do well nowhere. */
export function isHopeless({ quality }: Version): boolean {
  return quality === 'throws' || quality === 'silences' || quality === 'noisy';
}
