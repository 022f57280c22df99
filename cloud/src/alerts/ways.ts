/**
 * Episodes of a device that goes on from an old copy of its disk. One that was open when the copy was made is continued twice, once
 * before the device went back and once since, with the same numbers:
 *
 *     before the copy     1 pending
 *     then                           2 firing at 10:00   3 resolved at 10:20
 *     since it went back             2 firing at 14:00   3 resolved at 14:10     another alarm, not one told before
 *
 * So what is another transition under a number that is taken belongs to an episode of its own, one for each time the device went
 * back; and an end that comes since ends whatever of it was left open, for nobody else will.
 *
 * One that began since the copy was made is unknown to the device. Of a rule over one series at most one is open at a time: so
 * the end of a later one is the end of that, too.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { AlertTransition } from '@weir/protocols';
import type { Store } from '../store/store.ts';
import type { EpisodeSummary } from './episode.ts';
import { type Episode, getEpisode, hasSeen } from './episodes.ts';
import { ACTIVE_STATES, listEpisodes } from './listing.ts';

/** How often the device went back before it sent this, in which life of it. */
export interface Way {
  life: string;
  branch: number;
}

/** A device that was put back more often has other troubles; each is one look into the store for each transition. */
const WAYS_MAX = 20;
const PAGE = 100;
/** As long as those of devices. */
const ID_CHARS = 20;

/**
 * The transitions under the names of the episodes they belong to. Reads what is committed: what came before them must be, and
 * transitions of one episode that come in two calls must be committed in between.
 */
export async function onTheirWay(
  store: Store,
  transitions: readonly AlertTransition[],
  way: Way,
): Promise<AlertTransition[]> {
  const fresh = new Set<string>();
  const ended = new Set<string>();
  const placed: AlertTransition[] = [];
  for (const transition of transitions) {
    placed.push(...(await place(store, transition, way, fresh)));
    for (const left of await leftBehind(store, transition)) {
      if (ended.has(left.episode)) continue;
      ended.add(left.episode);
      placed.push(left);
    }
  }
  return placed;
}

/** Ends of what began before what this ends, of the same rule over the same series: a device that still knew of it would have ended it. */
async function leftBehind(store: Store, transition: AlertTransition): Promise<AlertTransition[]> {
  // What people were told of as it happened is not over for the record only.
  const { historical: _, ...end } = transition;
  const { device, source, state } = end;
  if (state !== 'resolved' || source.kind !== 'rule') return [];
  const ends: AlertTransition[] = [];
  let after: string | undefined;
  do {
    const query = { device, rule: source.name, states: ACTIVE_STATES, limit: PAGE };
    const page = await listEpisodes(store, { ...query, ...(after !== undefined && { after }) });
    for (const { episode: id } of page.items.filter((open) => isBeforeOf(open, transition))) {
      const { seen, startedAt } = (await getEpisode(store, id))!;
      const seq = Math.max(...seen.map(([, to]) => to)) + 1;
      ends.push({ ...end, episode: id, seq, startedAt });
    }
    after = page.next;
  } while (after !== undefined);
  return ends;
}

function isBeforeOf(open: EpisodeSummary, { episode, sensor, metric, startedAt }: AlertTransition): boolean {
  const isSame = open.origin === 'edge' && open.sensor === sensor && open.metric === metric;
  // What waits for nothing but somebody who acknowledges it is known to the device to be over.
  return isSame && open.clearedAt === undefined && open.episode !== episode && open.startedAt < startedAt;
}

/** @param fresh episodes of their own that begin with these transitions; filled in */
async function place(
  store: Store,
  transition: AlertTransition,
  { life, branch }: Way,
  fresh: Set<string>,
): Promise<AlertTransition[]> {
  const own = idOn(transition.episode, life, branch);
  const older = Array.from({ length: Math.min(branch - 1, WAYS_MAX) }, (_, at) =>
    idOn(transition.episode, life, branch - 1 - at),
  );
  const before: Episode[] = [];
  for (const id of [...older, transition.episode]) {
    const episode = await getEpisode(store, id);
    if (episode?.device === transition.device) before.push(episode);
  }
  const isOwn = fresh.has(own) || (await getEpisode(store, own)) !== undefined;
  const newest = before[0];
  if (!isOwn && !(newest !== undefined && isAnother(newest, transition))) {
    return [newest === undefined ? transition : { ...transition, episode: newest.episode }];
  }
  fresh.add(own);
  const left = transition.state === 'resolved' ? before.filter(({ state }) => state !== 'resolved') : [];
  return [own, ...left.map(({ episode }) => episode)].map((episode) => ({ ...transition, episode }));
}

/** Whether something else was recorded under its number. */
function isAnother(before: Episode, transition: AlertTransition): boolean {
  const same = before.transitions.find(({ seq }) => seq === transition.seq);
  if (same === undefined) return hasSeen(before, transition.seq) && before.state === 'resolved';
  return !isDeepStrictEqual({ ...same, episode: '' }, { ...transition, episode: '' });
}

function idOn(episode: string, life: string, branch: number): string {
  const text = [episode, life, branch].join('\n');
  return createHash('sha256').update(text).digest('hex').slice(0, ID_CHARS);
}
