/**
 * What sensors have sent, and what was acknowledged to them: against this the store is checked. It is kept outside of the
 * heap, so that of months of readings only what the agent itself keeps of them can be seen there.
 */
import { LEVEL } from './bundles.ts';

export interface SeriesName {
  device: string;
  sensor: string;
  metric: string;
}

export interface Sent extends SeriesName {
  /** No two of a series are the same: the n-th of it is n, above the level of rules or below. */
  value: number;
  /** ms since epoch, where the sensor said so. */
  ts: number | undefined;
  /** True time, ms since epoch. */
  at: number;
  /** True time; undefined: it was not. */
  acknowledgedAt: number | undefined;
}

/** How often a level was passed, as far as the sensor knows for certain. */
export interface Excursions {
  device: string;
  sensor: string;
  begun: number;
  ended: number;
}

/** value, ts, at, acknowledgedAt; NaN: undefined. */
const FIELDS = 4;
const ACKNOWLEDGED_AT = 3;

/** The readings of one series, in the order in which they were sent. */
export class SentSeries {
  readonly #name: SeriesName;
  #rows = new Float64Array(64 * FIELDS);
  count = 0;

  constructor(name: SeriesName) {
    this.#name = name;
  }

  /** @returns the place of the reading */
  send({ value, ts, at }: Pick<Sent, 'value' | 'ts' | 'at'>): number {
    if ((this.count + 1) * FIELDS > this.#rows.length) {
      const rows = new Float64Array(2 * this.#rows.length);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    this.#rows.set([value, ts ?? Number.NaN, at, Number.NaN], this.count * FIELDS);
    return this.count++;
  }

  acknowledge(place: number, at: number): void {
    this.#rows[place * FIELDS + ACKNOWLEDGED_AT] = at;
  }

  at(place: number): Sent {
    const [value, ts, at, acknowledgedAt] = this.#rows.subarray(place * FIELDS, (place + 1) * FIELDS);
    return { ...this.#name, value: value!, ts: known(ts!), at: at!, acknowledgedAt: known(acknowledgedAt!) };
  }

  find(value: number): Sent | undefined {
    const place = (value % LEVEL) - 1;
    return place >= 0 && place < this.count && this.at(place).value === value ? this.at(place) : undefined;
  }
}

function known(field: number): number | undefined {
  return Number.isNaN(field) ? undefined : field;
}

export class Ledger {
  readonly #series = new Map<string, SentSeries>();
  readonly excursions = new Map<string, Excursions>();
  /** Payloads that are no readings, by device: sent, and acknowledged. */
  readonly bad = new Map<string, { sent: number; acknowledged: number }>();

  open(name: SeriesName): SentSeries {
    const series = new SentSeries(name);
    this.#series.set(keyOf(name), series);
    return series;
  }

  find(reading: SeriesName & { value: number }): Sent | undefined {
    return this.#series.get(keyOf(reading))?.find(reading.value);
  }

  *all(): Generator<Sent> {
    for (const series of this.#series.values()) for (let at = 0; at < series.count; at++) yield series.at(at);
  }

  get acknowledged(): number {
    let count = 0;
    for (const { acknowledgedAt } of this.all()) if (acknowledgedAt !== undefined) count++;
    return count;
  }

  get size(): number {
    let size = 0;
    for (const { count } of this.#series.values()) size += count;
    return size;
  }

  badOf(device: string): { sent: number; acknowledged: number } {
    const bad = this.bad.get(device) ?? { sent: 0, acknowledged: 0 };
    this.bad.set(device, bad);
    return bad;
  }
}

function keyOf({ device, sensor, metric }: SeriesName): string {
  return `${device}/${sensor}/${metric}`;
}
