import type { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import { readColumns } from '../journal/columns-codec.ts';

/** All readings that ever waited, by what whoever has a copy of the disk of that time would call them. */
export class NamedItems {
  readonly #waiting;
  readonly #known = new Map<string, string>();

  constructor(db: DatabaseSync) {
    this.#waiting = db.prepare(
      `SELECT lane, seq, outbox.count, generation, coalesce(payload, journal.bytes) AS payload,
         (SELECT epoch FROM run WHERE run.lane = outbox.lane AND run.seq <= outbox.seq ORDER BY run.seq DESC) AS epoch
       FROM outbox LEFT JOIN journal ON journal.id = journal_id WHERE lane IN ('live', 'backfill')`,
    );
  }

  /** The disk may be copied now: no two readings have ever had one number in one generation. */
  check(): void {
    for (const { lane, seq, count, generation, payload, epoch } of this.#waiting.all()) {
      const { series, index, values } = readColumns(payload as Uint8Array, count as number)!;
      for (const [at, value] of values.entries()) {
        const name = `${lane}/${epoch}/${generation}/${(seq as number) + at}`;
        const item = `${series[index[at]!]!.metric} ${value}`;
        expect(this.#known.get(name) ?? item, name).toBe(item);
        this.#known.set(name, item);
      }
    }
  }

  get generations(): number {
    return new Set([...this.#known.keys()].map((name) => name.split('/')[2])).size;
  }
}
