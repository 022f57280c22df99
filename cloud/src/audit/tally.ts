/**
 * Counts what is alike in one entry: the first is kept at once, then the second, the fourth, the eighth …, so that what
 * is kept is never less than half of what was counted, however fast it comes.
 */
import type { Attempt, AuditEntry } from './audit.ts';
import type { Book } from './book.ts';

export interface TallyLimits {
  /** Those that are alike within this time are one entry. */
  windowMs: number;
  /** Entries begun in such a time; what else comes is counted together as `*`. */
  distinctMax: number;
}

type Told = Pick<AuditEntry, 'outcome' | 'status' | 'code'>;

const ELSE = '*';

export class Tally {
  readonly #book: Book;
  readonly #limits: TallyLimits;
  #entries = new Map<string, AuditEntry>();
  #until = 0;

  constructor(book: Book, limits: TallyLimits) {
    this.#book = book;
    this.#limits = limits;
  }

  async add(attempt: Attempt, told: Told, now: number): Promise<void> {
    // Before the next window begins the last one is put away.
    const flushing = now >= this.#until ? this.flush(now) : undefined;
    const counted = this.#count(attempt, told, now);
    const { count = 1 } = counted;
    const isDue = (count & (count - 1)) === 0;
    await flushing;
    if (isDue) await this.#book.put(counted, now);
  }

  /** Puts away what is counted. */
  async flush(now: number): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries = new Map();
    this.#until = now + this.#limits.windowMs;
    for (const entry of entries) if (entry.count !== undefined) await this.#book.put(entry, now);
  }

  #count(attempt: Attempt, told: Told, now: number): AuditEntry {
    const { from, what, target, by } = attempt;
    const key = JSON.stringify([from, what, target, by?.id, told.code]);
    const isKnown = this.#entries.has(key);
    const isOver = !isKnown && this.#entries.size >= this.#limits.distinctMax;
    const place = isOver ? ELSE : key;
    const found = this.#entries.get(place);
    if (found !== undefined) {
      found.count = (found.count ?? 1) + 1;
      found.lastAt = Math.max(now, found.at);
      return found;
    }
    const others = { from: ELSE, what: ELSE, target: ELSE, outcome: told.outcome };
    const entry = this.#book.next(isOver ? others : { ...attempt, ...told }, now);
    this.#entries.set(place, entry);
    return entry;
  }
}
