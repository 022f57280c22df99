/**
 * What sensors were acknowledged against what the hub has in the end: to the reading.
 *
 * A sensor sends each number once and never again. So a number that is in the store twice was doubled on its way, one
 * that was acknowledged and is neither in the store nor within a gap that was told is lost, and numbers of one sensor
 * that are out of order in the store were put out of order.
 */

/** A reading as the operator's API gives it. */
export interface Stored {
  /** `<device>/<lane>/<epoch>/<seq>` */
  id: string;
  sensor: string;
  metric: string;
  value: unknown;
  /** ms since epoch */
  ts: number;
}

/** Numbers `seq` … `through - 1` of a lane of which the hub misses some, as its API gives them. */
export interface Gap {
  lane: string;
  seq: number;
  through: number;
  /** Of these, as many as the device has told that it gave up. */
  dropped: number;
  state: string;
}

/** How far a lane of the device has counted. */
export interface Numbered {
  lane: string;
  nextSeq: number;
  dropped: number;
}

export interface Books {
  /** What each sensor was acknowledged. */
  acknowledged: ReadonlyMap<string, ReadonlySet<number>>;
  stored: readonly Stored[];
  gaps: readonly Gap[];
  /** Items of readings that the device has told the hub, ever, that it gave up. */
  told: number;
  /** Undefined: the device cannot be asked, and numbers are not compared with its own. */
  lanes: readonly Numbered[] | undefined;
  /** What functions emit. */
  derived: readonly Derived[];
}

/** A function emits, of each sensor, each number that divides by `every` once more under a metric of its own. */
export interface Derived {
  metric: string;
  every: number;
}

/** Counts in readings. */
export interface Balance {
  acknowledged: number;
  stored: number;
  /** Acknowledged, not in the store, and in no gap that the hub was told of. */
  lost: number;
  storedTwice: number;
  outOfOrder: number;
  /** Emitted by the function not once for each reading that is in the store. */
  derivedWrong: number;
  dropped: number;
  /** As many as were dropped, when the device has told of each. */
  told: number;
  /** Told of, and not at the hub: what was acknowledged and the acknowledgement did not come is there all the same. */
  inGaps: number;
  /** Items that were numbered and are neither in the store nor in a gap, as far as gaps are told of by count and place. */
  unaccounted: number;
  /** Gaps of which the hub cannot say that the device gave something up. */
  unexplainedGaps: number;
}

const METRIC = 'n';

export function balance({ acknowledged, stored, gaps, told, lanes, derived }: Books): Balance {
  const own = stored.filter(({ metric }) => metric === METRIC);
  const numbers = bySensor(own);
  const inGaps = sum(gaps.map(({ dropped }) => dropped));
  let missing = 0;
  for (const [sensor, wanted] of acknowledged) {
    const found = new Set(numbers.get(sensor)?.map(({ value }) => value));
    for (const number of wanted) if (!found.has(number)) missing++;
  }
  return {
    acknowledged: sum([...acknowledged.values()].map(({ size }) => size)),
    stored: own.length,
    lost: Math.max(0, missing - inGaps),
    storedTwice: sum([...numbers.values()].map((each) => each.length - new Set(each.map(({ value }) => value)).size)),
    outOfOrder: sum([...numbers.values()].map(outOfOrder)),
    derivedWrong: sum(derived.map((each) => derivedWrong(stored, each, inGaps))),
    dropped: sum((lanes ?? []).map(({ dropped }) => dropped)),
    told,
    inGaps,
    unaccounted: unaccounted(stored, gaps, lanes ?? []),
    unexplainedGaps: gaps.filter(({ state }) => state !== 'dropped').length,
  };
}

/** What must be nothing; empty: all is well. */
export function faultsOf(books: Balance): string[] {
  const told = [
    [books.lost, 'acknowledged readings are lost'],
    [books.storedTwice, 'readings are stored twice'],
    [books.outOfOrder, 'readings are out of order within their series'],
    [books.derivedWrong, 'readings of the function are missing or twice'],
    [books.unaccounted, 'numbered items are neither in the store nor in a gap'],
    [books.unexplainedGaps, 'gaps are not explained'],
  ] as const;
  const faults = told.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  if (books.dropped !== books.told)
    faults.push(`${books.dropped} items were dropped, the hub was told of ${books.told}`);
  return faults;
}

/** @returns those whose event time contradicts their number, and those numbered by the device in another order */
function outOfOrder(readings: readonly Stored[]): number {
  let wrong = 0;
  const latest = new Map<string, { number: number; seq: number }>();
  const sorted = readings.toSorted((a, b) => (a.value as number) - (b.value as number));
  let ts = Number.NEGATIVE_INFINITY;
  for (const { id, value, ts: at } of sorted) {
    const { lane, life, seq } = placeOf(id);
    const before = latest.get(`${lane}/${life}`);
    if (at < ts || (before !== undefined && seq <= before.seq && value !== before.number)) wrong++;
    ts = Math.max(ts, at);
    latest.set(`${lane}/${life}`, { number: value as number, seq });
  }
  return wrong;
}

/** Without gaps: each number once. With gaps either of the two may be within one, so only doubles are wrong. */
function derivedWrong(stored: readonly Stored[], { metric, every }: Derived, inGaps: number): number {
  const emitted = bySensor(stored.filter((each) => each.metric === metric));
  let wrong = 0;
  for (const [sensor, own] of bySensor(stored.filter((each) => each.metric === METRIC))) {
    const counts = new Map<unknown, number>();
    for (const { value } of emitted.get(sensor) ?? []) counts.set(value, (counts.get(value) ?? 0) + 1);
    for (const { value } of own) {
      if ((value as number) % every !== 0) continue;
      const count = counts.get(value) ?? 0;
      if (count > 1 || (count === 0 && inGaps === 0)) wrong++;
    }
  }
  return wrong;
}

/** Each number of a lane is in the store, or is missed within a gap; gaps miss as many as the device has told of. */
function unaccounted(stored: readonly Stored[], gaps: readonly Gap[], lanes: readonly Numbered[]): number {
  let wrong = 0;
  for (const { lane, nextSeq } of lanes) {
    const there = new Set(
      stored.map(({ id }) => placeOf(id)).flatMap((place) => (place.lane === lane ? place.seq : [])),
    );
    const given = gaps.filter((gap) => gap.lane === lane);
    const isGiven = new Uint8Array(nextSeq);
    for (const { seq, through } of given) isGiven.fill(1, seq, through);
    let missing = 0;
    for (let seq = 0; seq < nextSeq; seq++) {
      if (there.has(seq)) continue;
      if (isGiven[seq] === 1) missing++;
      else wrong++;
    }
    wrong += Math.abs(missing - sum(given.map(({ dropped }) => dropped)));
  }
  return wrong;
}

/** The lane counts on for the life of the device's database, over all runs of its agent. */
function placeOf(id: string): { lane: string; life: string; seq: number } {
  const [, lane, epoch, seq] = id.split('/') as [string, string, string, string];
  return { lane, life: epoch.split('.')[0]!, seq: Number(seq) };
}

function bySensor(readings: readonly Stored[]): Map<string, Stored[]> {
  return Map.groupBy(readings, ({ sensor }) => sensor);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
