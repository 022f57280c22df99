/**
 * Entries of one kind in the order of time, within bounds.
 *
 *     table    partition   sort
 *     audit    <kind>      <at, 15 digits>-<seq, 12 digits>
 *
 * `seq` counts the entries of a kind and the oldest go first, so that their number is known from the two ends.
 */
import { itemsOf } from '../fleet/keys.ts';
import type { Change, ItemKey, Store } from '../store/store.ts';
import type { AuditEntry, AuditKind } from './audit.ts';

export interface BookLimits {
  entriesMax: number;
  keepMs: number;
}

/** Taken out in one write. */
const TRIM_MAX = 100;

export class Book {
  readonly kind: AuditKind;
  readonly #store: Store;
  readonly #limits: BookLimits;
  /** The last one, and the first that is kept. */
  #last = { at: 0, seq: 0 };
  #first = { at: 0, seq: 1 };
  #trimming: Promise<void> | undefined;

  private constructor(kind: AuditKind, store: Store, limits: BookLimits) {
    this.kind = kind;
    this.#store = store;
    this.#limits = limits;
  }

  static async open(kind: AuditKind, store: Store, limits: BookLimits): Promise<Book> {
    const book = new Book(kind, store, limits);
    const end = async (reverse: boolean) => {
      const { items } = await store.query({ table: 'audit', partition: kind, limit: 1, reverse });
      return items[0] && placeOf(items[0].sort);
    };
    const [first, last] = [await end(false), await end(true)];
    if (first !== undefined && last !== undefined) {
      book.#first = first;
      book.#last = last;
    }
    return book;
  }

  /** The next entry; not kept yet. Time never goes back here, whatever the clock does. */
  next(entry: Omit<AuditEntry, 'id' | 'kind' | 'at'>, now: number): AuditEntry {
    const place = { at: Math.max(now, this.#last.at), seq: this.#last.seq + 1 };
    if (this.#last.seq < this.#first.seq) this.#first = place;
    this.#last = place;
    return { id: `${this.kind}-${sortOf(place)}`, kind: this.kind, at: place.at, ...entry };
  }

  /** Puts an entry in its place, new or as it is by now. */
  async put(entry: AuditEntry, now: number): Promise<void> {
    await this.#store.write([{ put: this.#key(sortOfId(entry.id)), json: entry }]);
    await this.trim(now);
  }

  /** Of the entries before `after`, the last first. */
  async *backwards(after: string | undefined): AsyncGenerator<AuditEntry> {
    const query = { table: 'audit', partition: this.kind, reverse: true };
    for await (const { json } of itemsOf(this.#store, after === undefined ? query : { ...query, after })) {
      yield json as AuditEntry;
    }
  }

  /** Takes out what is over its time or has no room; well under the bound, so that it is not done for each entry. */
  async trim(now: number): Promise<void> {
    this.#trimming ??= this.#trim(now).finally(() => {
      this.#trimming = undefined;
    });
    await this.#trimming;
  }

  async #trim(now: number): Promise<void> {
    const { entriesMax, keepMs } = this.#limits;
    const isOver = () => this.#last.seq - this.#first.seq >= entriesMax || this.#first.at < now - keepMs;
    while (this.#first.seq <= this.#last.seq && isOver()) {
      const firstKept = this.#last.seq - entriesMax + TRIM_MAX;
      const { items } = await this.#store.query({ table: 'audit', partition: this.kind, limit: TRIM_MAX });
      const gone = items.filter(({ sort }) => {
        const { at, seq } = placeOf(sort);
        return seq < firstKept || at < now - keepMs;
      });
      await this.#store.write(gone.map(({ sort }): Change => ({ remove: this.#key(sort) })));
      const next = items[gone.length];
      if (next !== undefined) this.#first = placeOf(next.sort);
      else if (gone.length > 0)
        this.#first = { at: placeOf(gone.at(-1)!.sort).at, seq: placeOf(gone.at(-1)!.sort).seq + 1 };
      if (gone.length === 0) return;
    }
  }

  #key(sort: string): ItemKey {
    return { table: 'audit', partition: this.kind, sort };
  }
}

/** Where an entry is in the order of all; ids of all kinds compare by it. */
export function sortOfId(id: string): string {
  return id.slice(id.indexOf('-') + 1);
}

function sortOf({ at, seq }: { at: number; seq: number }): string {
  return `${String(at).padStart(15, '0')}-${String(seq).padStart(12, '0')}`;
}

function placeOf(sort: string): { at: number; seq: number } {
  const [at, seq] = sort.split('-').map(Number);
  return { at: at!, seq: seq! };
}
