/**
 * Alerts of a device that was removed: what it had raised itself is over, for nobody watches any more and nobody else could say so. Those
 * of rules of the hub end where these are taken away.
 *
 * A worker does it, behind what the log still had of the device.
 */
import type { AlertTransition } from '@weir/protocols';
import { goneKey } from '../alerts/ends.ts';
import type { Episode, EpisodeSummary } from '../alerts/episode.ts';
import { getEpisode } from '../alerts/episodes.ts';
import { ACTIVE_STATES, listEpisodes } from '../alerts/listing.ts';
import type { Clock } from '../clock/clock.ts';
import type { Store } from '../store/store.ts';
import type { Effects } from './effects.ts';

/** What they bring about fits into one write. */
const ENDS_PER_COMMIT = 4;

export interface GonePorts {
  store: Store;
  clock: Clock;
  /** Whether the log may still have something of the device. */
  isBehind: () => Promise<boolean>;
}

/** @returns whether it is to be called again once this is committed */
export async function endOfGone(
  { store, clock, isBehind }: GonePorts,
  device: string,
  effects: Effects,
): Promise<boolean> {
  const key = goneKey(device);
  if ((await store.get(key)) === undefined) return false;
  let hasMore = false;
  for (const dryRun of [false, true]) {
    const query = { device, states: ACTIVE_STATES, dryRun, passes: isLeftOpen, limit: ENDS_PER_COMMIT };
    const { items, next } = await listEpisodes(store, query);
    for (const { episode } of items) {
      const open = await getEpisode(store, episode);
      if (open !== undefined) effects.addTransitions('edge', [endOf(open, clock.now())]);
    }
    hasMore ||= items.length > 0 || next !== undefined;
  }
  if (hasMore || (await isBehind())) return true;
  effects.addOnce([{ remove: key }]);
  return false;
}

/** One that latches is over already, and waits to be acknowledged. */
async function isLeftOpen({ origin, clearedAt }: EpisodeSummary): Promise<boolean> {
  return origin === 'edge' && clearedAt === undefined;
}

function endOf({ transitions, seen, device }: Episode, now: number): AlertTransition {
  const { causes, ...latest } = transitions.at(-1)!;
  const ts = Math.max(now, latest.ts, latest.startedAt);
  const summary = `nobody watches any more: ${device} was removed`;
  return { ...latest, seq: seen.at(-1)![1] + 1, state: 'resolved', reason: 'removed', ts, summary };
}
