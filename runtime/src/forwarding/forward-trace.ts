/** What a forwarding policy would have made of a recorded trace: what it saves, and what the hub would not know. */
import { zstdCompressSync } from 'node:zlib';
import { columnsOf, encodeBatch, type Forwarding, type Reading, readingsOf, WINDOW_VALUES } from '@weir/protocols';
import { ForwardingPolicies } from './forwarding.ts';
import { type EntryStatus, PolicyFold } from './policy-fold.ts';

export interface ForwardedSeries {
  sensor: string;
  metric: string;
  /** Readings that came, and readings that are sent: also those of its windows. */
  taken: number;
  sent: number;
  bytesTaken: number;
  bytesSent: number;
  /**
   * How far the hub is off at most, which takes the last value that it has for the value of now; of series whose
   * numbers are forwarded on change, or all.
   */
  errorMax?: number;
}

export interface ForwardedTrace {
  /** What is sent, in order. */
  sent: Reading[];
  entries: EntryStatus[];
  /** By sensor and metric. */
  series: ForwardedSeries[];
  /** Of all series together, in batches as they would be sent. */
  taken: { readings: number; bytes: number };
  total: { readings: number; bytes: number };
  /** From the earliest reading to the latest, ms. */
  coversMs: number;
}

export interface ForwardTraceOptions {
  /** Readings of one message to the hub; default 100. */
  batch?: number;
  /** A restart of the device after so many readings: only what is kept survives. */
  restartEvery?: number;
}

const BATCH_DEFAULT = 100;
/** Longer than any window, with all that it waits. */
const TAIL_MS = 3 * 86_400_000;
const DAY_MS = 86_400_000;
/** As long as they are on a device. */
const EPOCH = 'AAAAAAAAAAAA.AAAAAAAA';

/** Readings arrive one by one, each at the latest time that any had before. */
export function forwardTrace(
  policy: Forwarding,
  readings: readonly Reading[],
  { batch = BATCH_DEFAULT, restartEvery = Number.POSITIVE_INFINITY }: ForwardTraceOptions = {},
): ForwardedTrace {
  const device = new Device(policy);
  for (const [at, reading] of readings.entries()) {
    device.step(reading);
    if ((at + 1) % restartEvery === 0) device.restart();
  }
  device.tick(device.now + TAIL_MS);
  const { sent } = device;
  const [before, after] = [bySeries(readings), bySeries(sent, readings)];
  const series = [...before].map(([key, taken]): ForwardedSeries => {
    const { sensor, metric } = taken[0]!;
    const ofSeries = after.get(key) ?? [];
    const sizes = { bytesTaken: bytesOf(taken, batch), bytesSent: bytesOf(ofSeries, batch) };
    const errorMax = errorOf(taken, ofSeries);
    return {
      sensor,
      metric,
      taken: taken.length,
      sent: ofSeries.length,
      ...sizes,
      ...(errorMax !== undefined && { errorMax }),
    };
  });
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const { ts } of readings) [first, last] = [Math.min(first, ts), Math.max(last, ts)];
  return {
    sent,
    entries: device.entries,
    series: series.sort((a, b) => (`${a.sensor}/${a.metric}` < `${b.sensor}/${b.metric}` ? -1 : 1)),
    taken: { readings: readings.length, bytes: bytesOf(readings, batch) },
    total: { readings: sent.length, bytes: bytesOf(sent, batch) },
    coversMs: Math.max(0, last - first),
  };
}

/** @returns undefined where the trace is too short to say */
export function perDay(bytes: number, { coversMs }: Pick<ForwardedTrace, 'coversMs'>): number | undefined {
  return coversMs < 1_000 ? undefined : Math.round((bytes * DAY_MS) / coversMs);
}

/** A device that runs the policy and nothing else. */
class Device {
  readonly sent: Reading[] = [];
  now = 0;
  #policy: Forwarding;
  #fold: PolicyFold;
  #policies = new ForwardingPolicies();

  constructor(policy: Forwarding) {
    this.#policy = policy;
    this.#fold = new PolicyFold(policy, new Map());
    this.#policies.arrange([this.#fold]);
  }

  get entries(): EntryStatus[] {
    return this.#fold.status.entries;
  }

  step(reading: Reading): void {
    this.now = Math.max(this.now, reading.ts);
    this.#pass([reading], this.now);
  }

  tick(until: number): void {
    this.#pass([], until);
  }

  restart(): void {
    this.#fold = new PolicyFold(this.#policy, this.#fold.states);
    this.#policies = new ForwardingPolicies();
    this.#policies.arrange([this.#fold]);
  }

  #pass(readings: Reading[], until: number): void {
    const emitted = columnsOf([]);
    const forwarded = this.#policies.pass({ input: columnsOf(readings), emitted, receivedAt: until, until })!;
    if (forwarded.places === undefined) this.sent.push(...readings);
    for (const columns of forwarded.readings) this.sent.push(...readingsOf(columns));
  }
}

/** @param sources of which they were made: what is told of a window belongs to the series that it was */
function bySeries(readings: readonly Reading[], sources?: readonly Reading[]): Map<string, Reading[]> {
  const known = sources && new Set(sources.map(({ sensor, metric }) => `${sensor}/${metric}`));
  const series = new Map<string, Reading[]>();
  for (const reading of readings) {
    let key = `${reading.sensor}/${reading.metric}`;
    if (known !== undefined && !known.has(key)) key = key.slice(0, key.lastIndexOf('.'));
    const list = series.get(key);
    if (list === undefined) series.set(key, [reading]);
    else list.push(reading);
  }
  return series;
}

/** As messages to the hub, without what the network adds. */
function bytesOf(readings: readonly Reading[], batch: number): number {
  let bytes = 0;
  for (let seq = 0; seq < readings.length; seq += batch) {
    const part = readings.slice(seq, seq + batch);
    const message = encodeBatch({ kind: 'readings', epoch: EPOCH, seq, count: part.length, columns: columnsOf(part) });
    bytes += Math.min(message.length, zstdCompressSync(message).length);
  }
  return bytes;
}

function errorOf(taken: readonly Reading[], sent: readonly Reading[]): number | undefined {
  const isWindowed = ({ metric }: Reading) =>
    metric !== taken[0]!.metric && WINDOW_VALUES.some((value) => metric.endsWith(`.${value}`));
  const known = sent.filter((reading) => !isWindowed(reading) && typeof reading.value === 'number').sort(byTime);
  if (known.length === 0) return undefined;
  let [at, error] = [-1, 0];
  for (const { ts, value } of taken.filter((reading) => typeof reading.value === 'number').sort(byTime)) {
    while (at + 1 < known.length && known[at + 1]!.ts <= ts) at++;
    if (at >= 0) error = Math.max(error, Math.abs(Number(value) - Number(known[at]!.value)));
  }
  return error;
}

function byTime(a: Reading, b: Reading): number {
  return a.ts - b.ts;
}
