/** Candidates as they are kept: runs in the database thread, in the transaction of the step that they have followed. */
import type { DatabaseSync } from 'node:sqlite';
import type { Comparison, Failure } from '@weir/runtime';

/** `config` is JSON text. */
export interface KeptCandidate {
  name: string;
  hash: string;
  config: string;
  /** Since when it is compared, ms since epoch. */
  since: number;
  /** JSON; undefined: none yet. */
  state: string | undefined;
  comparison: Comparison;
  /** Why it does not run any more; undefined: it does. */
  failed: Failure | undefined;
}

/** Undefined: it is gone. */
export interface CandidateChange {
  name: string;
  kept: KeptCandidate | undefined;
}

export function candidateOperations(db: DatabaseSync) {
  const all = db.prepare('SELECT name, hash, config, since, state, comparison, failed FROM candidate ORDER BY name');
  const keep = db.prepare('INSERT OR REPLACE INTO candidate VALUES (?, ?, ?, ?, ?, ?, ?)');
  const forget = db.prepare('DELETE FROM candidate WHERE name = ?');
  return {
    all: (): KeptCandidate[] =>
      all.all().map(({ name, hash, config, since, state, comparison, failed }) => ({
        ...{ name: name as string, hash: hash as string, config: config as string, since: since as number },
        state: (state ?? undefined) as string | undefined,
        comparison: JSON.parse(comparison as string) as Comparison,
        failed: failed === null ? undefined : (JSON.parse(failed as string) as Failure),
      })),

    change(changes: readonly CandidateChange[]): void {
      for (const { name, kept } of changes) {
        if (kept === undefined) forget.run(name);
        else {
          const { hash, config, since, state = null, comparison, failed } = kept;
          const why = failed === undefined ? null : JSON.stringify(failed);
          keep.run(name, hash, config, since, state, JSON.stringify(comparison), why);
        }
      }
    },
  };
}
