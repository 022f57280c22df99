/**
 * The newest reading of each series: one item for each device.
 *
 *     table `latest` · partition device · sort `latest` · json: { "<sensor>/<metric>": { value, ts, unit?, quality?, rank? } }
 *
 * A reading whose time is ahead of its arrival ranks as if it had been measured then, so that one from 2099 makes way
 * for the next.
 */
import { AHEAD_MS_MAX, type Columns, type Reading, readingAt } from '@weir/protocols';
import type { Change, Store } from './store.ts';

/** A device with more series keeps the ones seen first: the item is written again with every commit. */
export const LATEST_SERIES_MAX = 500;

const TABLE = 'latest';

interface Kept extends Omit<Reading, 'sensor' | 'metric'> {
  /** The time that counts in its place, where `ts` is ahead. */
  rank?: number;
}

export class Latest {
  readonly device: string;
  #series: Map<string, Kept>;

  constructor(device: string, series: Map<string, Kept> = new Map()) {
    this.device = device;
    this.#series = series;
  }

  static async load(store: Store, device: string): Promise<Latest> {
    const item = await store.get({ table: TABLE, partition: device, sort: 'latest' });
    return new Latest(device, new Map(Object.entries((item?.json ?? {}) as Record<string, Kept>)));
  }

  /**
   * An older reading that comes late replaces nothing.
   * @param receivedAt arrival, ms since epoch
   */
  take(columns: Columns, receivedAt: number): void {
    const rank = (i: number) => Math.min(columns.ts[i]!, receivedAt + AHEAD_MS_MAX);
    const newest = new Map<number, number>();
    for (let i = 0; i < columns.index.length; i++) {
      const at = newest.get(columns.index[i]!);
      if (at === undefined || rank(i) >= rank(at)) newest.set(columns.index[i]!, i);
    }
    for (const i of newest.values()) this.#put(readingAt(columns, i), rank(i));
  }

  change(): Change {
    const put = { table: TABLE, partition: this.device, sort: 'latest' };
    return { put, json: Object.fromEntries(this.#series) };
  }

  readings(): Reading[] {
    return [...this.#series].map(([series, { rank, ...kept }]) => {
      const slash = series.indexOf('/');
      return { sensor: series.slice(0, slash), metric: series.slice(slash + 1), ...kept };
    });
  }

  #put({ sensor, metric, ...kept }: Reading, rank: number): void {
    const series = `${sensor}/${metric}`;
    const before = this.#series.get(series);
    if (before === undefined && this.#series.size >= LATEST_SERIES_MAX) return;
    if (before !== undefined && rank < (before.rank ?? before.ts)) return;
    this.#series.set(series, rank < kept.ts ? { ...kept, rank } : kept);
  }
}

/** In order of sensor and metric. */
export async function readLatest(store: Store, device: string): Promise<Reading[]> {
  const readings = (await Latest.load(store, device)).readings();
  const key = ({ sensor, metric }: Reading) => `${sensor}/${metric}`;
  return readings.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
