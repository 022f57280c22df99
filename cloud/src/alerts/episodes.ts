/** Episodes in the store: what workers commit of them, and one of them looked up. Lists are in `listing.ts`. */
import { type AlertTransition, transitionKey } from '@weir/protocols';
import type { Origin } from '../api/events.ts';
import { activeChannels } from '../notify/channels.ts';
import { type IntakeEntry, intakeChanges } from '../notify/plan/intake.ts';
import type { Change, Item, Store } from '../store/store.ts';
import { heardChange } from './ends.ts';
import { type Episode, type EpisodeSummary, takes, withTransition } from './episode.ts';
import { EPISODE_TABLE, episodeIn, episodeKey, recordChanges, summaryOf } from './index-keys.ts';
import { isToBeHeard } from './operator.ts';
import { tellings } from './tell.ts';

export { type Episode, hasSeen } from './episode.ts';
export { CHANGES_PER_EPISODE } from './index-keys.ts';

/** A transition, and where what raised it runs. */
export interface Raised {
  transition: AlertTransition;
  origin: Origin;
}

/** One that was recorded, and what the episode is with it. */
export interface Recorded extends Raised {
  episode: EpisodeSummary;
}

export function raised(origin: Origin, transitions: readonly AlertTransition[]): Raised[] {
  return transitions.map((transition) => ({ transition, origin }));
}

/**
 * Changes that record these transitions (episodes, their index, what must be notified), each transition at most once;
 * to be committed by the worker in its own write. At most {@link CHANGES_PER_EPISODE} changes for each episode named, and 1 for
 * each 64 transitions. That a transition speaks of the device that sent it is for the worker to check.
 *
 * Reads what is committed: transitions of one episode that come in two calls must be committed in between.
 * @param now ms since epoch
 * @returns `fresh`: those not recorded before, in the order given
 */
export async function episodeChanges(
  store: Store,
  transitions: readonly Raised[],
  now: number,
): Promise<{ changes: Change[]; fresh: Recorded[] }> {
  if (transitions.length === 0) return { changes: [], fresh: [] };
  const channels = await activeChannels(store);
  const items = new Map<string, Item | undefined>();
  const current = new Map<string, Episode>();
  const fresh: Recorded[] = [];
  const tell: IntakeEntry[] = [];
  for (const each of transitions) {
    const { transition, origin } = each;
    const { episode: id } = transition;
    if (!items.has(id)) items.set(id, await store.get(episodeKey(id)));
    const before = current.get(id) ?? stored(items.get(id));
    const episode = withTransition(before, transition, origin, now);
    if (episode === undefined) continue;
    tell.push(...entriesOf(episode, tellings(episode, channels)));
    current.set(id, episode);
    fresh.push({ ...each, episode: summaryOf(episode) });
  }
  const changes = [...current.values()].flatMap((episode) => {
    const item = items.get(episode.episode);
    return [...recordChanges(item, episode), ...heardBy(stored(item), episode)];
  });
  return { changes: [...changes, ...intakeChanges(tell, now)], fresh };
}

/** A device says that it is over: it need not hear any more that a person has ended it. */
function heardBy(before: Episode | undefined, after: Episode): Change[] {
  const isHeard = before !== undefined && isToBeHeard(before) && !isToBeHeard(after);
  return isHeard && after.origin === 'edge' ? [heardChange(after)] : [];
}

/** To be told, as the notifier takes them. */
export function entriesOf({ origin, told }: Episode, transitions: readonly AlertTransition[]): IntakeEntry[] {
  return transitions.map((transition) => ({ transition, origin, channels: told!.channels }));
}

/** Those of the transitions that are not recorded yet, each once; reads what is committed. */
export async function unrecorded(store: Store, transitions: readonly AlertTransition[]): Promise<AlertTransition[]> {
  const ids = [...new Set(transitions.map(({ episode }) => episode))];
  const known = new Map(await Promise.all(ids.map(async (id) => [id, await getEpisode(store, id)] as const)));
  const found = new Map<string, AlertTransition>();
  for (const transition of transitions) {
    const episode = known.get(transition.episode);
    const key = transitionKey(transition);
    if (!found.has(key) && (episode === undefined || takes(episode, transition))) found.set(key, transition);
  }
  return [...found.values()];
}

export async function getEpisode(store: Store, episode: string): Promise<Episode | undefined> {
  const item = await store.get(episodeKey(episode));
  return stored(item);
}

function stored(item: Item | undefined): Episode | undefined {
  return item && episodeIn(item);
}

/** Ids that begin like this, in order. */
export async function episodesLike(store: Store, begin: string, limit: number): Promise<string[]> {
  const exact = await getEpisode(store, begin);
  if (exact !== undefined) return [begin];
  const { names } = await store.partitions(EPISODE_TABLE, { after: begin, limit });
  return names.filter((name) => name.startsWith(begin));
}
