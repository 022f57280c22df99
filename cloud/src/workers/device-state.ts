/**
 * What a worker knows of one device: which items it has received, the latest values, how long its history's items
 * are. Loaded when the device is first heard of, changed as batches are taken, committed with what they caused.
 *
 *     table `received` · partition device · sort <lane>/<epoch> · json: { list: [[from, to], …], forgotten, at }
 */
import type { Columns } from '@weir/protocols';
import { endsSession, type PresenceRecord } from '../log/presence-record.ts';
import {
  CLOUD_EPOCH,
  CLOUD_LANE,
  type HistoryChunk,
  historyChanges,
  readSpan,
  SPAN_MS_MAX,
  spanChange,
} from '../store/history.ts';
import { Latest } from '../store/latest.ts';
import { type Presence, presenceChange, readPresence } from '../store/presence.ts';
import type { Change, Store } from '../store/store.ts';
import { addRange, missingOf, NO_RANGES, type Range, type Ranges } from './ranges.ts';

interface Received extends Ranges {
  /** Arrival of the last batch, ms since epoch. */
  at: number;
}

const TABLE = 'received';
/** An epoch is a life of the agent's outbox; a device that makes more of them than this in a lane forgets the oldest. */
const EPOCHS_PER_LANE_MAX = 32;

export class DeviceState {
  readonly device: string;
  #received: Map<string, Received>;
  #latest: Latest;
  #spanMs: number;
  #presence: Presence | undefined;
  #dirty = new Map<string, Change>();

  private constructor(device: string, received: Map<string, Received>, latest: Latest, spanMs: number) {
    this.device = device;
    this.#received = received;
    this.#latest = latest;
    this.#spanMs = spanMs;
  }

  static async load(store: Store, device: string): Promise<DeviceState> {
    const received = new Map<string, Received>();
    let after: string | undefined;
    do {
      const page = await store.query({ table: TABLE, partition: device, ...(after !== undefined && { after }) });
      for (const { sort, json } of page.items) received.set(sort, json as Received);
      after = page.next;
    } while (after !== undefined);
    const state = new DeviceState(device, received, await Latest.load(store, device), await readSpan(store, device));
    state.#presence = await readPresence(store, device);
    return state;
  }

  /** Notes `count` items from `seq` as received. @returns those that were not before. */
  receive(lane: string, epoch: string, seq: number, count: number, at: number): Range[] {
    const sort = `${lane}/${epoch}`;
    const before = this.#received.get(sort);
    const missing = missingOf(before ?? NO_RANGES, seq, seq + count);
    if (missing.length === 0) return missing;
    if (before === undefined) this.#forgetEpochs(lane);
    const after: Received = { ...addRange(before ?? NO_RANGES, seq, seq + count), at };
    this.#received.set(sort, after);
    this.#dirty.set(sort, { put: this.#key(sort), json: after });
    return missing;
  }

  /** Keeps readings, which arrived at `at`, in history and latest values. @returns the history's changes */
  keep(chunk: HistoryChunk, at: number): Change[] {
    const { changes, spanMs } = historyChanges(chunk);
    if (spanMs > this.#spanMs) {
      // Doubled, so that a device whose batches grow a little each time does not write this each time.
      this.#spanMs = Math.min(spanMs * 2, SPAN_MS_MAX);
      this.#dirty.set('span', spanChange(this.device, this.#spanMs));
    }
    this.#latest.take(chunk.columns, at);
    this.#dirty.set('latest', this.#latest.change());
    return changes;
  }

  /** Keeps what functions emitted in the cloud; numbered per device as it comes. */
  keepEmitted(columns: Columns, at: number): Change[] {
    const count = columns.index.length;
    if (count === 0) return [];
    const seq = this.#received.get(`${CLOUD_LANE}/${CLOUD_EPOCH}`)?.list.at(-1)?.[1] ?? 0;
    this.receive(CLOUD_LANE, CLOUD_EPOCH, seq, count, at);
    return this.keep({ device: this.device, lane: CLOUD_LANE, epoch: CLOUD_EPOCH, seq, columns }, at);
  }

  /** Notes that the device came or went at `at`. @returns whether that is a change */
  turn({ online, session }: PresenceRecord, at: number): boolean {
    const before = this.#presence;
    const wasOnline = before?.online ?? false;
    // Told twice, or the end of a connection that another has followed.
    if (!online && !(wasOnline && endsSession(session, before!.session))) return false;
    this.#presence = { online, since: online && wasOnline ? before!.since : at, session };
    this.#dirty.set('presence', presenceChange(this.device, this.#presence));
    return online !== wasOnline;
  }

  /** What has changed since the last commit. */
  changes(): Change[] {
    // The latest values are written as they are now, not as they were at the first of many batches.
    if (this.#dirty.has('latest')) this.#dirty.set('latest', this.#latest.change());
    return [...this.#dirty.values()];
  }

  committed(): void {
    this.#dirty.clear();
  }

  #forgetEpochs(lane: string): void {
    const epochs = [...this.#received].filter(([sort]) => sort.startsWith(`${lane}/`));
    if (epochs.length < EPOCHS_PER_LANE_MAX) return;
    const [oldest] = epochs.reduce((a, b) => (a[1].at <= b[1].at ? a : b));
    this.#received.delete(oldest);
    this.#dirty.set(oldest, { remove: this.#key(oldest) });
  }

  #key(sort: string) {
    return { table: TABLE, partition: this.device, sort };
  }
}
