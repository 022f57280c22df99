import type { Logger } from '../logger.ts';
import type { Store } from '../store/store.ts';
import {
  type Attempt,
  AUDIT_KINDS,
  type Audit,
  type AuditEntry,
  type AuditKind,
  type AuditOutcome,
  type AuditQuery,
} from './audit.ts';
import { Book, sortOfId } from './book.ts';
import { Tally } from './tally.ts';

export interface AuditPorts {
  store: Store;
  now: () => number;
  logger: Logger;
}

export interface AuditLimits {
  keepMs: number;
  /** Of changes. */
  changesMax: number;
  /** Of messages to devices, and the same of denied attempts. */
  othersMax: number;
}

/** A minute tells an attack from a mistake; programs write to devices all day long. */
const DENIED = { windowMs: 60_000, distinctMax: 20 };
const MESSAGES = { windowMs: 600_000, distinctMax: 100 };
/** Entries looked at for one page: a filter that finds nothing must not walk through the whole log. */
const LOOKED_AT_MAX = 2_000;

export async function openAudit(ports: AuditPorts, limits: AuditLimits): Promise<Audit> {
  const { changesMax, othersMax, keepMs } = limits;
  const open = (kind: AuditKind, entriesMax: number) => Book.open(kind, ports.store, { entriesMax, keepMs });
  const [change, message, denied] = await Promise.all([
    open('change', changesMax),
    open('message', othersMax),
    open('denied', othersMax),
  ]);
  return new StoredAudit(ports, { change, message, denied });
}

class StoredAudit implements Audit {
  readonly #ports: AuditPorts;
  readonly #books: Record<AuditKind, Book>;
  readonly #messages: Tally;
  readonly #denied: Tally;
  readonly #deniedCounts = new Map<string, number>();
  /** Changes under way. */
  readonly #begun = new Map<string, AuditEntry>();

  constructor(ports: AuditPorts, books: Record<AuditKind, Book>) {
    this.#ports = ports;
    this.#books = books;
    this.#messages = new Tally(books.message, MESSAGES);
    this.#denied = new Tally(books.denied, DENIED);
  }

  async begin(attempt: Attempt): Promise<string> {
    const now = this.#ports.now();
    const entry = this.#books.change.next({ ...attempt, outcome: 'begun' }, now);
    await this.#books.change.put(entry, now);
    this.#begun.set(entry.id, entry);
    return entry.id;
  }

  async end(id: string, status: number, code?: string): Promise<void> {
    const entry = this.#begun.get(id);
    if (entry === undefined) return;
    this.#begun.delete(id);
    const ended: AuditEntry = { ...entry, outcome: outcomeOf(status), status, ...(code !== undefined && { code }) };
    await this.#books.change.put(ended, this.#ports.now());
  }

  message(attempt: Attempt): Promise<void> {
    return this.#messages.add(attempt, { outcome: 'done' }, this.#ports.now());
  }

  deniedCounts(): ReadonlyMap<string, number> {
    return this.#deniedCounts;
  }

  denied(attempt: Attempt, status: number, code: string): void {
    this.#deniedCounts.set(code, (this.#deniedCounts.get(code) ?? 0) + 1);
    this.#denied.add(attempt, { outcome: 'denied', status, code }, this.#ports.now()).catch((error: Error) => {
      this.#ports.logger.error({ error: error.message }, 'a denied attempt is not in the audit log');
    });
  }

  async list(query: AuditQuery): Promise<{ items: AuditEntry[]; next?: string }> {
    const now = this.#ports.now();
    await this.#messages.flush(now);
    await this.#denied.flush(now);
    for (const book of Object.values(this.#books)) await book.trim(now);
    const kinds = query.kind === undefined ? AUDIT_KINDS : [query.kind];
    const items: AuditEntry[] = [];
    let looked = 0;
    for await (const entry of merged(kinds.map((kind) => this.#books[kind].backwards(query.after)))) {
      if (query.since !== undefined && (entry.lastAt ?? entry.at) < query.since) {
        // What is counted began before it ended; all other kinds are in order.
        if (entry.at < query.since - MESSAGES.windowMs) return { items };
        continue;
      }
      if (matches(entry, query)) items.push(entry);
      looked += 1;
      if (items.length >= query.limit || looked >= LOOKED_AT_MAX) return { items, next: sortOfId(entry.id) };
    }
    return { items };
  }

  async stop(): Promise<void> {
    const now = this.#ports.now();
    await this.#messages.flush(now);
    await this.#denied.flush(now);
  }
}

function outcomeOf(status: number): AuditOutcome {
  if (status < 400) return 'done';
  return status < 500 ? 'refused' : 'failed';
}

function matches(entry: AuditEntry, { by, target, outcome }: AuditQuery): boolean {
  if (by !== undefined && entry.by?.id !== by && entry.by?.name !== by) return false;
  if (outcome !== undefined && entry.outcome !== outcome) return false;
  if (target === undefined) return true;
  return [entry.target, entry.what, entry.body].some((text) => text?.includes(target));
}

/** Several listings that begin with the last, as one. */
async function* merged(sources: readonly AsyncGenerator<AuditEntry>[]): AsyncGenerator<AuditEntry> {
  const heads = await Promise.all(sources.map((source) => source.next()));
  for (;;) {
    let newest: number | undefined;
    for (const [at, head] of heads.entries()) {
      if (head.done) continue;
      const best = newest === undefined ? undefined : (heads[newest]!.value as AuditEntry);
      if (best === undefined || sortOfId(head.value.id) > sortOfId(best.id)) newest = at;
    }
    if (newest === undefined) return;
    yield heads[newest]!.value as AuditEntry;
    heads[newest] = await sources[newest]!.next();
  }
}
