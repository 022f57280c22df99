/**
 * Where episodes lie in the store.
 *
 *     table           partition                sort
 *     episode         <episode>                state                          everything known of it
 *     episode-index   <state>                  <startedAt, padded>/<episode>  its summary, where lists find it
 *                     dry-run/<state>          the same                       of those that nobody is told of
 *     episode-of      device/<device>          the same                       points to it
 *                     source/<rule, function>  the same                       points to it
 */
import { ALERT_STATES, type AlertState } from '@weir/protocols';
import { planLogKey } from '../notify/plan/stored.ts';
import type { Change, Item, ItemKey } from '../store/store.ts';
import type { Episode, EpisodeSummary } from './episode.ts';

export const EPISODE_TABLE = 'episode';
export const INDEX_TABLE = 'episode-index';
export const POINTER_TABLE = 'episode-of';

/**
 * That recording one episode takes at most: one that turns out to have begun earlier moves in each of the three, and its device need not
 * hear any more that it was ended.
 */
export const CHANGES_PER_EPISODE = 8;

export const episodeKey = (episode: string): ItemKey => ({ table: EPISODE_TABLE, partition: episode, sort: 'state' });

export function statePartition(state: AlertState, dryRun: boolean): string {
  return dryRun ? `dry-run/${state}` : state;
}

export function statePartitions(states: readonly AlertState[] = ALERT_STATES, dryRun = false): string[] {
  return states.map((state) => statePartition(state, dryRun));
}

/** In the order in which they began. */
export function sortKey({ startedAt, episode }: Pick<EpisodeSummary, 'startedAt' | 'episode'>): string {
  return `${timeKey(startedAt)}/${episode}`;
}

/** The begin of a sort key. */
export function timeKey(startedAt: number): string {
  return String(startedAt).padStart(15, '0');
}

export function indexKey(summary: EpisodeSummary): ItemKey {
  const partition = statePartition(summary.state, summary.dryRun === true);
  return { table: INDEX_TABLE, partition, sort: sortKey(summary) };
}

export const ofDevice = (device: string) => `device/${device}`;
export const ofSource = (name: string) => `source/${name}`;

export function pointerKeys(summary: EpisodeSummary): ItemKey[] {
  const sort = sortKey(summary);
  return [ofDevice(summary.device), ofSource(summary.source.name)].map((partition) => ({
    ...{ table: POINTER_TABLE, partition, sort },
  }));
}

/** Records an episode as it is now in the place of what was read; in vain when somebody else was first. */
export function recordChanges(item: Item | undefined, episode: Episode): Change[] {
  const before = item && episodeIn(item);
  const old = before === undefined ? [] : [indexKey(before), ...pointerKeys(before)];
  const pointers = pointerKeys(episode);
  const index = indexKey(episode);
  const isIn = (keys: readonly ItemKey[], key: ItemKey) => keys.some((each) => isSame(each, key));
  return [
    { put: episodeKey(episode.episode), json: episode, ifVersion: item?.version ?? 0 },
    ...old.filter((key) => !isIn([index, ...pointers], key)).map((remove): Change => ({ remove })),
    { put: index, json: summaryOf(episode) },
    ...pointers.filter((key) => !isIn(old, key)).map((put): Change => ({ put, json: {} })),
  ];
}

export function forgetChanges(summary: EpisodeSummary): Change[] {
  const { episode } = summary;
  const keys = [indexKey(summary), ...pointerKeys(summary), episodeKey(episode), planLogKey(episode)];
  return keys.map((remove) => ({ remove }));
}

/** Of an item of the index. One that a hub of before wrote says less. */
export function summaryIn({ json }: Item): EpisodeSummary {
  const summary = json as EpisodeSummary;
  return {
    ...summary,
    severityMax: summary.severityMax ?? summary.severity,
    recordedAt: summary.recordedAt ?? summary.updatedAt,
  };
}

/** Everything that is known of an episode, likewise. */
export function episodeIn(item: Item): Episode {
  const { log = [], told, ...episode } = item.json as Episode;
  const whole = { ...episode, ...summaryIn(item), log } as Episode;
  if (told !== undefined) whole.told = { ...{ seq: episode.seen.at(-1)![1], severity: episode.severity }, ...told };
  return whole;
}

export function summaryOf({ transitions, seen, trimmedTo, log, told, ...summary }: Episode): EpisodeSummary {
  return summary;
}

function isSame(a: ItemKey, b: ItemKey): boolean {
  return a.table === b.table && a.partition === b.partition && a.sort === b.sort;
}
