/** What is missing of a device, for whoever asks. */
import { formatEpoch, type GapReason, LANES, parseEpoch } from '@weir/protocols';
import type { Item, Store } from '../store/store.ts';
import { GAP_TABLE, type GapPlace, gapPlaceOf, LANE_LIFE_TABLE, readLaneLife, readLives, readRun } from './kept.ts';
import { betweenOf, type LaneLife, sumsOfLife } from './lane-life.ts';
import { type Life, type Lives, NO_LIVES, type Restored } from './lives.ts';
import { type Hole, holesOf, type Run } from './run.ts';
import { type LaneMissing, missingIn } from './totals.ts';

/**
 * `dropped`: the device gave them up, and told of it. `waiting`: nothing is told of them yet, they may be on their way.
 * `unexplained`: the device has sent for long since, and neither they nor a word of them came. `ended`: they are of a life of
 * the device that is over.
 */
export const GAP_STATES = ['dropped', 'waiting', 'unexplained', 'ended'] as const;
export type GapState = (typeof GAP_STATES)[number];

export interface Gap {
  lane: string;
  life: string;
  /** Absent: they may be of the run before them or of the one behind. */
  run?: string;
  /** Numbers `seq` … `through` - 1 … */
  seq: number;
  through: number;
  /** … of which so many did not come … */
  missing: number;
  /** … and so many of these were given up. */
  dropped: number;
  state: GapState;
  /** Clock of the hub; times in ms since epoch. */
  noticedAt: number;
  reasons?: { readonly [R in GapReason]?: number };
  /** Clock of the device. */
  droppedAt?: number;
  /** Event times of the first and the last reading, where the device knows them. */
  from?: number;
  to?: number;
}

export interface GapQuery {
  lane?: string;
  state?: GapState;
  /** Event time: only gaps of which the times are known, and touch from (inclusive) … */
  from?: number;
  /** … to (exclusive). */
  to?: number;
  limit: number;
  /** `next` of the page before. */
  after?: string;
}

interface LaneGaps {
  lane: string;
  dropped: number;
  waiting: number;
  unexplained: number;
  ended: number;
}

export interface GapSummary {
  lanes: LaneGaps[];
  /** What the device says it gave up, ever, by reason. */
  told: Lives['told'];
  /** The newest lives of the device, and how many there were. */
  lives: { count: number; current?: string; last: readonly Life[] };
  /** Missing of older lives, all lanes. */
  older: { missing: number; dropped: number };
  restored: { count: number; last: readonly Restored[] };
}

export interface DeviceGaps extends Omit<LaneGaps, 'lane'> {
  device: string;
}

export interface Gaps {
  /** Devices of which anything is missing, in order of name, with the sums over their lanes. */
  devices(page: { limit: number; after?: string }): Promise<{ items: DeviceGaps[]; next?: string }>;
  /** Newest first. A page may have fewer than its limit, even none, and yet have a next. */
  list(device: string, query: GapQuery): Promise<{ items: Gap[]; next?: string }>;
  summary(device: string): Promise<GapSummary>;
}

/** Runs looked at for one page, so that a search for something rare answers in time. */
const PLACES_PER_PAGE = 256;
/** Runs looked at for a sum: what is older than these is not on its way any more. */
const PLACES_PER_SUMMARY = 512;

export function createGaps({ store, unexplainedAfterMs }: { store: Store; unexplainedAfterMs: number }): Gaps {
  /** Whether a gap that was noticed at a time would have been closed, or told of, by now. */
  async function judgeOf(device: string): Promise<(life: string, hole: Hole) => GapState> {
    const { current } = (await readLives(store, device)) ?? NO_LIVES;
    const heardAt = current === undefined ? 0 : await lastHeard(store, device, current);
    return (life, { missing, dropped, since }) => {
      if (dropped === missing) return 'dropped';
      if (life !== current) return 'ended';
      return heardAt - since >= unexplainedAfterMs ? 'unexplained' : 'waiting';
    };
  }

  async function list(device: string, query: GapQuery): Promise<{ items: Gap[]; next?: string }> {
    const items: Gap[] = [];
    let stateOf: Awaited<ReturnType<typeof judgeOf>> | undefined;
    let places = 0;
    for await (const { sort, place, offset } of placesOf(store, device, query.after)) {
      stateOf ??= await judgeOf(device);
      if (++places > PLACES_PER_PAGE) return { items, next: `${sort}#${offset}` };
      const holes = (await holesAt(store, device, place)).reverse();
      for (let at = offset; at < holes.length; at++) {
        const gap = gapOf(place, holes[at]!, stateOf(place.life, holes[at]!));
        if (!matches(gap, query)) continue;
        if (items.length === query.limit) return { items, next: `${sort}#${at}` };
        items.push(gap);
      }
    }
    return { items };
  }

  async function waitingIn(device: string, lanes: readonly LaneMissing[]): Promise<Map<string, number>> {
    const waiting = new Map<string, number>();
    if (lanes.every(({ open }) => open === 0)) return waiting;
    const stateOf = await judgeOf(device);
    let places = 0;
    for await (const { place } of placesOf(store, device)) {
      if (++places > PLACES_PER_SUMMARY) break;
      for (const hole of await holesAt(store, device, place)) {
        if (stateOf(place.life, hole) !== 'waiting') continue;
        waiting.set(place.lane, (waiting.get(place.lane) ?? 0) + hole.missing - hole.dropped);
      }
    }
    return waiting;
  }

  async function summary(device: string): Promise<GapSummary> {
    const { current, count, list: last, restored, told, forgotten } = (await readLives(store, device)) ?? NO_LIVES;
    const missing = await missingByLane(store, device, { current, lives: last });
    const waiting = await waitingIn(device, missing);
    const lanes = missing.map(({ lane, dropped, open, ended }): LaneGaps => {
      const young = Math.min(open, waiting.get(lane) ?? 0);
      return { lane, dropped, waiting: young, unexplained: open - young, ended };
    });
    const lives = { count, last, ...(current !== undefined && { current }) };
    return { lanes, told, lives, older: forgotten, restored };
  }

  return {
    list,
    summary,
    async devices(page) {
      const { names, next } = await store.partitions(GAP_TABLE, page);
      const items: DeviceGaps[] = [];
      for (const device of names) items.push({ device, ...over((await summary(device)).lanes) });
      return { items, ...(next !== undefined && { next }) };
    },
  };
}

function over(lanes: readonly LaneGaps[]): Omit<LaneGaps, 'lane'> {
  const sum = { dropped: 0, waiting: 0, unexplained: 0, ended: 0 };
  for (const { dropped, waiting, unexplained, ended } of lanes) {
    sum.dropped += dropped;
    sum.waiting += waiting;
    sum.unexplained += unexplained;
    sum.ended += ended;
  }
  return sum;
}

async function missingByLane(
  store: Store,
  device: string,
  { current, lives }: { current: string | undefined; lives: readonly Life[] },
): Promise<LaneMissing[]> {
  const known = lives.length === 0 ? [] : await laneLives(store, device);
  return LANES.map((lane) => {
    const sum: LaneMissing = { lane, dropped: 0, open: 0, ended: 0 };
    for (const each of known) {
      if (each.lane !== lane) continue;
      const { dropped, open, ended } = missingIn(sumsOfLife(each.state, each.tip), each.life !== current);
      sum.dropped += dropped;
      sum.open += open;
      sum.ended += ended;
    }
    return sum;
  });
}

interface KnownLaneLife {
  lane: string;
  life: string;
  state: LaneLife;
  tip: Run | undefined;
}

async function laneLives(store: Store, device: string): Promise<KnownLaneLife[]> {
  const items: Item[] = [];
  let after: string | undefined;
  do {
    const query = { table: LANE_LIFE_TABLE, partition: device };
    const page = await store.query(after === undefined ? query : { ...query, after });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return Promise.all(
    items.map(async ({ sort, json }) => {
      const [lane, life] = sort.split('/') as [string, string];
      const state = json as LaneLife;
      return { lane, life, state, tip: await tipOf(store, device, lane, life, state) };
    }),
  );
}

function tipOf(
  store: Store,
  device: string,
  lane: string,
  life: string,
  { tip }: LaneLife,
): Promise<Run | undefined> | undefined {
  return tip === undefined ? undefined : readRun(store, device, lane, formatEpoch({ life, run: tip }));
}

/** When anything of the life came last, ms since epoch. */
async function lastHeard(store: Store, device: string, life: string): Promise<number> {
  const heard = await Promise.all(
    LANES.map(async (lane) => {
      const state = await readLaneLife(store, device, lane, life);
      return (state && (await tipOf(store, device, lane, life, state)))?.at ?? 0;
    }),
  );
  return Math.max(...heard);
}

interface FoundPlace {
  sort: string;
  place: GapPlace;
  /** Holes of it that were on the page before. */
  offset: number;
}

/** Where numbers are missing, newest first. */
async function* placesOf(store: Store, device: string, cursor?: string): AsyncGenerator<FoundPlace> {
  const [resumed, passed] = cursor?.split('#') ?? [];
  const query = { table: GAP_TABLE, partition: device, reverse: true };
  // Up to the place of the cursor, with it.
  const to = resumed === undefined ? {} : { to: `${resumed}\0` };
  let after: string | undefined;
  do {
    const page = await store.query({ ...query, ...to, ...(after !== undefined && { after }) });
    for (const { sort, json } of page.items) {
      const offset = sort === resumed ? Math.max(0, Math.floor(Number(passed)) || 0) : 0;
      yield { sort, place: gapPlaceOf(json), offset };
    }
    after = page.next;
  } while (after !== undefined);
}

async function holesAt(store: Store, device: string, { lane, life, epoch }: GapPlace): Promise<Hole[]> {
  if (epoch !== undefined) {
    const run = await readRun(store, device, lane, epoch);
    return run === undefined ? [] : holesOf(run);
  }
  const state = await readLaneLife(store, device, lane, life);
  if (state === undefined) return [];
  const between = betweenOf(state, await tipOf(store, device, lane, life, state));
  return between.map(([seq, through, since = state.gapSince ?? 0]) => {
    return { seq, through, missing: through - seq, dropped: 0, since };
  });
}

function gapOf({ lane, life, epoch }: GapPlace, { told, since, ...hole }: Hole, state: GapState): Gap {
  const gap: Gap = {
    lane,
    life,
    ...(epoch !== undefined && { run: parseEpoch(epoch).run }),
    ...hole,
    state,
    noticedAt: since,
  };
  if (told === undefined) return gap;
  const { reasons, ts: droppedAt, from, to } = told;
  return { ...gap, reasons, droppedAt, ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

function matches(gap: Gap, { lane, state, from, to }: GapQuery): boolean {
  if (lane !== undefined && gap.lane !== lane) return false;
  if (state !== undefined && gap.state !== state) return false;
  if (from === undefined && to === undefined) return true;
  if (gap.from === undefined && gap.to === undefined) return false;
  const first = gap.from ?? gap.to!;
  const last = gap.to ?? gap.from!;
  return last >= (from ?? 0) && first < (to ?? Number.POSITIVE_INFINITY);
}

/** Of this many the hub shows in a range of history. */
const GAPS_PER_RANGE = 100;
/** Looked at for it: of a device with more runs that gave something up, what is far back is left to who asks for gaps. */
const PAGES_PER_RANGE = 4;

/** What devices gave up of a range of event time, so that whoever reads history knows where it has holes. */
export async function gapsInRange(
  gaps: Gaps,
  device: string,
  { from, to }: { from?: number; to?: number },
): Promise<Gap[]> {
  const range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  const found: Gap[] = [];
  let after: string | undefined;
  let pages = 0;
  do {
    pages++;
    const query = { from: 0, ...range, limit: GAPS_PER_RANGE - found.length };
    const page = await gaps.list(device, after === undefined ? query : { ...query, after });
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined && found.length < GAPS_PER_RANGE && pages < PAGES_PER_RANGE);
  return found.sort((a, b) => (a.from ?? 0) - (b.from ?? 0));
}
