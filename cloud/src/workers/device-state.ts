/**
 * What a worker knows of one device: which of its items were received, the latest values, how long its history's items
 * are. Loaded when the device is first heard of, changed as batches are taken, committed with what they caused.
 */
import type { Columns } from '@weir/protocols';
import { DeviceItems } from '../gaps/device-items.ts';
import { readRun, runKey } from '../gaps/kept.ts';
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
import type { Keeper } from './effects.ts';
import { Fed } from './gather/fed.ts';

export class DeviceState implements Keeper {
  readonly device: string;
  readonly items: DeviceItems;
  #latest: Latest;
  #spanMs: number;
  /** Readings that functions emitted in the cloud; numbered as they come. */
  #emitted = 0;
  #presence: Presence | undefined;
  readonly fed: Fed;
  #dirty = new Map<string, Change>();

  private constructor(device: string, store: Store, latest: Latest, spanMs: number, fed: Fed) {
    this.device = device;
    this.fed = fed;
    this.items = new DeviceItems(device, store);
    this.#latest = latest;
    this.#spanMs = spanMs;
  }

  static async load(store: Store, device: string): Promise<DeviceState> {
    const [latest, spanMs, presence, emitted, fed] = await Promise.all([
      Latest.load(store, device),
      readSpan(store, device),
      readPresence(store, device),
      readRun(store, device, CLOUD_LANE, CLOUD_EPOCH),
      Fed.load(store, device),
    ]);
    const state = new DeviceState(device, store, latest, spanMs, fed);
    state.#presence = presence;
    state.#emitted = emitted?.list.at(-1)?.[1] ?? 0;
    return state;
  }

  get weight(): number {
    return this.#dirty.size + this.items.weight;
  }

  /** Keeps readings, which arrived at `at`, in history and latest values. @returns the history's changes */
  keep(chunk: HistoryChunk, at: number): Change[] {
    const { changes, spanMs } = historyChanges({ ...chunk, at });
    if (spanMs > this.#spanMs) {
      // Doubled, so that a device whose batches grow a little each time does not write this each time.
      this.#spanMs = Math.min(spanMs * 2, SPAN_MS_MAX);
      this.#dirty.set('span', spanChange(this.device, this.#spanMs));
    }
    this.#latest.take(chunk.columns, at);
    this.#dirty.set('latest', this.#latest.change());
    return changes;
  }

  /** Keeps what functions emitted in the cloud. */
  keepEmitted(columns: Columns, at: number): Change[] {
    const count = columns.index.length;
    if (count === 0) return [];
    const seq = this.#emitted;
    this.#emitted += count;
    const json = { list: [[0, this.#emitted]], forgotten: 0, at };
    this.#dirty.set('emitted', { put: runKey(this.device, CLOUD_LANE, CLOUD_EPOCH), json });
    return this.keep({ device: this.device, lane: CLOUD_LANE, epoch: CLOUD_EPOCH, seq, columns }, at);
  }

  /** Undefined: it was never told of. */
  get isOnline(): boolean | undefined {
    return this.#presence?.online;
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
    return [...this.#dirty.values(), ...this.fed.changes(), ...this.items.changes()];
  }

  committed(): void {
    this.#dirty.clear();
    this.fed.committed();
    this.items.committed();
  }
}
