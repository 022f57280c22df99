import type { Store } from '../store/store.ts';
import type { RefusedMessage, RefusedRecord } from './fleet.ts';
import { deviceKey } from './keys.ts';
import { Turns } from './turns.ts';

/** A refused message is for looking at, not for keeping. */
const REFUSED_BYTES_KEPT = 256;
const REFUSED_KEPT = 20;
const DETAIL_CHARS_MAX = 300;

/** Counts what was refused. A flood costs one write at a time for each device, whatever its rate. */
export class RefusedMessages {
  #store: Store;
  #turns = new Turns();
  /** What waits for the next write, with the promise of that write. */
  #waiting = new Map<string, { record: RefusedRecord; written: Promise<void> }>();

  constructor(store: Store) {
    this.#store = store;
  }

  async of(device: string): Promise<RefusedRecord> {
    const item = await this.#store.get(deviceKey(device, 'refused'));
    return (item?.json as RefusedRecord | undefined) ?? { counts: {}, last: [] };
  }

  add(device: string, message: RefusedMessage): Promise<void> {
    const one: RefusedRecord = { counts: { [message.reason]: 1 }, last: [message] };
    const waiting = this.#waiting.get(device);
    if (waiting !== undefined) {
      waiting.record = merge(waiting.record, one);
      return waiting.written;
    }
    const written = this.#turns.run(device, () => this.#flush(device));
    this.#waiting.set(device, { record: one, written });
    return written;
  }

  async #flush(device: string): Promise<void> {
    const waiting = this.#waiting.get(device)!;
    this.#waiting.delete(device);
    const record = merge(await this.of(device), waiting.record);
    await this.#store.write([{ put: deviceKey(device, 'refused'), json: record }]);
  }
}

export function refusedMessage(at: number, reason: string, detail: string, payload: Uint8Array): RefusedMessage {
  const head = Buffer.from(payload.subarray(0, REFUSED_BYTES_KEPT)).toString('base64');
  return { at, reason, detail: detail.slice(0, DETAIL_CHARS_MAX), bytes: payload.byteLength, head };
}

function merge(older: RefusedRecord, newer: RefusedRecord): RefusedRecord {
  const counts = { ...older.counts };
  for (const [reason, count] of Object.entries(newer.counts)) counts[reason] = (counts[reason] ?? 0) + count;
  return { counts, last: [...newer.last, ...older.last].slice(0, REFUSED_KEPT) };
}
