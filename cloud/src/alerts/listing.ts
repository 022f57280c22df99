/**
 * Lists of episodes; those that began last come first.
 *
 * Whoever asks for one device, or one rule, is given what the pointers of it lead to; else the states that are wanted are walked side by
 * side. A page ends when it is full, or when enough was looked at: it may have fewer than its limit, even none, and yet have a next.
 */
import { ALERT_STATES, type AlertState, type Severity } from '@weir/protocols';
import type { Item, Store } from '../store/store.ts';
import { type EpisodeSummary, isActive } from './episode.ts';
import {
  episodeIn,
  episodeKey,
  INDEX_TABLE,
  ofDevice,
  ofSource,
  POINTER_TABLE,
  statePartitions,
  summaryIn,
  summaryOf,
  timeKey,
} from './index-keys.ts';

export interface EpisodeFilter {
  states?: readonly AlertState[];
  severities?: readonly Severity[];
  device?: string;
  /** Name of the rule or function. */
  rule?: string;
  /** Began at or after it, before it; ms. */
  since?: number;
  until?: number;
  /** Something became of it, or was done with it, at or after it, by the hub's clock. */
  updatedSince?: number;
  acked?: boolean;
  assignee?: string;
  historical?: boolean;
  /** Those that nobody is told of, instead of the others. */
  dryRun?: boolean;
  /** Whatever else it must be. */
  passes?(summary: EpisodeSummary): Promise<boolean>;
}

export interface EpisodeQuery extends EpisodeFilter {
  limit: number;
  /** `next` of the page before. */
  after?: string;
}

export const ACTIVE_STATES = ALERT_STATES.filter((state) => isActive({ state }));

/** Looked at for one page at most. */
const LOOKED_AT_MAX = 5_000;
/** Read at a time of each state. */
const READ = 200;
/** A pointer costs a look of its own. */
const POINTERS_READ = 50;
const POINTERS_MAX = 1_000;

export async function listEpisodes(
  store: Store,
  query: EpisodeQuery,
): Promise<{ items: EpisodeSummary[]; next?: string }> {
  const items: EpisodeSummary[] = [];
  const isPointed = mayBePointedTo(query);
  const lookedAtMax = isPointed ? POINTERS_MAX : LOOKED_AT_MAX;
  let lookedAt = 0;
  let next = query.after;
  for await (const { sort, summary } of isPointed ? pointed(store, query) : walked(store, query)) {
    if (items.length >= query.limit || lookedAt >= lookedAtMax) return { items, next: next! };
    next = sort;
    lookedAt++;
    if (summary !== undefined && (await isWanted(summary, query))) items.push(summary);
  }
  return { items };
}

/** Active ones are few: these are looked through sooner than all that a device ever had. */
function mayBePointedTo({ device, rule, states = ALERT_STATES }: EpisodeFilter): boolean {
  return (device !== undefined || rule !== undefined) && (states.includes('resolved') || states.includes('pending'));
}

interface Found {
  sort: string;
  summary: EpisodeSummary | undefined;
}

async function* walked(store: Store, query: EpisodeQuery): AsyncGenerator<Found> {
  const partitions = statePartitions(query.states, query.dryRun);
  const walks = partitions.map((partition) => newestFirst(store, INDEX_TABLE, partition, query, READ));
  const heads = await Promise.all(walks.map((walk) => walk.next()));
  for (;;) {
    let newest = -1;
    heads.forEach(({ done, value }, at) => {
      if (!done && (newest < 0 || value.sort > (heads[newest]!.value as Item).sort)) newest = at;
    });
    if (newest < 0) return;
    const item = heads[newest]!.value as Item;
    yield { sort: item.sort, summary: summaryIn(item) };
    heads[newest] = await walks[newest]!.next();
  }
}

async function* pointed(store: Store, query: EpisodeQuery): AsyncGenerator<Found> {
  const partition = query.device === undefined ? ofSource(query.rule!) : ofDevice(query.device);
  let some: Item[] = [];
  const look = async function* () {
    const found = await Promise.all(some.map(({ sort }) => store.get(episodeKey(sort.slice(sort.indexOf('/') + 1)))));
    for (const [at, item] of found.entries()) {
      yield { sort: some[at]!.sort, summary: item === undefined ? undefined : summaryOf(episodeIn(item)) };
    }
    some = [];
  };
  for await (const pointer of newestFirst(store, POINTER_TABLE, partition, query, POINTERS_READ)) {
    some.push(pointer);
    if (some.length >= POINTERS_READ) yield* look();
  }
  yield* look();
}

async function* newestFirst(
  store: Store,
  table: string,
  partition: string,
  { since, until, after }: EpisodeQuery,
  limit: number,
): AsyncGenerator<Item> {
  const to = [after, until === undefined ? undefined : timeKey(until)].filter((each) => each !== undefined).sort()[0];
  let next: string | undefined;
  do {
    const page = await store.query({
      ...{ table, partition, reverse: true, limit },
      ...(since !== undefined && { from: timeKey(since) }),
      ...(to !== undefined && { to }),
      ...(next !== undefined && { after: next }),
    });
    yield* page.items;
    next = page.next;
  } while (next !== undefined);
}

/** Whether the filter takes it. */
export async function isWanted(summary: EpisodeSummary, filter: EpisodeFilter): Promise<boolean> {
  const { states, severities, device, rule, since, until, updatedSince, acked, assignee, historical, dryRun } = filter;
  const is = [
    states?.includes(summary.state),
    severities?.includes(summary.severity),
    device === undefined ? undefined : summary.device === device,
    rule === undefined ? undefined : summary.source.name === rule,
    since === undefined ? undefined : summary.startedAt >= since,
    until === undefined ? undefined : summary.startedAt < until,
    updatedSince === undefined ? undefined : summary.updatedAt >= updatedSince,
    acked === undefined ? undefined : (summary.ackedAt !== undefined) === acked,
    assignee === undefined ? undefined : summary.assignee === assignee,
    historical === undefined ? undefined : (summary.historical === true) === historical,
    (summary.dryRun === true) === (dryRun === true),
  ];
  if (is.includes(false)) return false;
  return filter.passes === undefined || filter.passes(summary);
}
