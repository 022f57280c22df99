/**
 * Episodes in the store.
 *
 *     table           partition      sort
 *     episode         <episode>      state                          everything known of it
 *     episode-index   <state>        <startedAt, padded>/<episode>  its summary, where lists find it
 */
import { ALERT_STATES, type AlertState, type AlertTransition, transitionKey } from '@weir/protocols';
import type { Origin } from '../api/events.ts';
import { activeChannels } from '../notify/channels.ts';
import { type IntakeEntry, intakeChanges } from '../notify/outbox.ts';
import type { Change, Item, ItemKey, Store } from '../store/store.ts';
import { applyTransition, type Episode, type EpisodeSummary, takes } from './episode.ts';

export { type Episode, type EpisodeSummary, hasSeen } from './episode.ts';

const episodeKey = (episode: string): ItemKey => ({ table: 'episode', partition: episode, sort: 'state' });

function indexKey({ state, startedAt, episode }: EpisodeSummary): ItemKey {
  return { table: 'episode-index', partition: state, sort: `${timeKey(startedAt)}/${episode}` };
}

/** A transition, and where what raised it runs. */
export interface Raised {
  transition: AlertTransition;
  origin: Origin;
}

export function raised(origin: Origin, transitions: readonly AlertTransition[]): Raised[] {
  return transitions.map((transition) => ({ transition, origin }));
}

/**
 * Changes that record these transitions (episodes, their index, what must be notified), each transition at most once;
 * to be committed by the worker in its own write. At most 3 changes for each episode named, and 1 for each 64
 * transitions. That a transition speaks of the device that sent it is for the worker to check.
 *
 * Reads what is committed: transitions of one episode that come in two calls must be committed in between.
 * @param now ms since epoch
 * @returns `fresh`: those not recorded before, in the order given
 */
export async function episodeChanges(
  store: Store,
  transitions: readonly Raised[],
  now: number,
): Promise<{ changes: Change[]; fresh: Raised[] }> {
  if (transitions.length === 0) return { changes: [], fresh: [] };
  const channels = await activeChannels(store);
  const items = new Map<string, Item | undefined>();
  const current = new Map<string, Episode>();
  const fresh: Raised[] = [];
  const tell: IntakeEntry[] = [];
  for (const each of transitions) {
    const { transition, origin } = each;
    const { episode } = transition;
    if (!items.has(episode)) items.set(episode, await store.get(episodeKey(episode)));
    const before = current.get(episode) ?? (items.get(episode)?.json as Episode | undefined);
    const applied = applyTransition(before, transition, origin, channels, now);
    if (applied === undefined) continue;
    current.set(episode, applied.episode);
    fresh.push(each);
    tell.push(...applied.tell);
  }
  const changes = [...current.values()].flatMap((episode) => recordChanges(items.get(episode.episode), episode));
  return { changes: [...changes, ...intakeChanges(tell, now)], fresh };
}

function recordChanges(item: Item | undefined, episode: Episode): Change[] {
  const changes: Change[] = [{ put: episodeKey(episode.episode), json: episode, ifVersion: item?.version ?? 0 }];
  const before = item?.json as Episode | undefined;
  if (before !== undefined && before.state !== episode.state) changes.push({ remove: indexKey(before) });
  const { transitions, seen, told, ...summary } = episode;
  changes.push({ put: indexKey(episode), json: summary });
  return changes;
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
  return item?.json as Episode | undefined;
}

/** Ids that begin like this, in order. */
export async function episodesLike(store: Store, begin: string, limit: number): Promise<string[]> {
  const exact = await getEpisode(store, begin);
  if (exact !== undefined) return [begin];
  const { names } = await store.partitions('episode', { after: begin, limit });
  return names.filter((name) => name.startsWith(begin));
}

export interface EpisodeQuery {
  state?: AlertState;
  limit: number;
  /** `next` of the page before. */
  after?: string;
}

/** Those that began last come first. */
export async function listEpisodes(
  store: Store,
  { state, limit, after }: EpisodeQuery,
): Promise<{ items: EpisodeSummary[]; next?: string }> {
  const states = state === undefined ? ALERT_STATES : [state];
  const found: Item[] = [];
  for (const partition of states) found.push(...(await newestOf(store, partition, limit + 1, after)));
  found.sort((a, b) => (a.sort < b.sort ? 1 : -1));
  const items = found.slice(0, limit);
  const page = { items: items.map((item) => item.json as EpisodeSummary) };
  return found.length > limit ? { ...page, next: items.at(-1)!.sort } : page;
}

async function newestOf(store: Store, partition: AlertState, limit: number, to: string | undefined): Promise<Item[]> {
  const found: Item[] = [];
  let after: string | undefined;
  do {
    const page = await store.query({
      table: 'episode-index',
      partition,
      reverse: true,
      limit: limit - found.length,
      ...(to === undefined ? {} : { to }),
      ...(after === undefined ? {} : { after }),
    });
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined && found.length < limit);
  return found;
}

/** So many go in one write: two items each. */
const FORGOTTEN_PER_WRITE = 45;
/** Those that began so far ahead of now, by a clock that is wrong, are looked for behind all others. */
const AHEAD_MS = 86_400_000;

/**
 * Forgets episodes that are resolved and were last heard of before a time.
 * @param before ms since epoch, by the clock of the hub
 * @returns how many, after each write
 */
export async function* forgetResolved(store: Store, before: number, now: number): AsyncGenerator<number> {
  for (const range of [{ to: timeKey(before) }, { from: timeKey(now + AHEAD_MS) }]) {
    let after: string | undefined;
    do {
      const query = { table: 'episode-index', partition: 'resolved', limit: FORGOTTEN_PER_WRITE, ...range };
      const page = await store.query(after === undefined ? query : { ...query, after });
      const old = page.items.map((item) => item.json as EpisodeSummary).filter(({ updatedAt }) => updatedAt < before);
      const changes = old.flatMap((each): Change[] => [
        { remove: indexKey(each) },
        { remove: episodeKey(each.episode) },
      ]);
      if (old.length > 0) {
        await store.write(changes);
        yield old.length;
      }
      after = page.next;
    } while (after !== undefined);
  }
}

/** The begin of a sort key of the index. */
function timeKey(startedAt: number): string {
  return String(startedAt).padStart(15, '0');
}
