/**
 * Takes out of a salvaged database words that can be read and are none.
 *
 * SQLite has no checksums, so a row with a byte that is wrong comes over with the others. Left in, a run, or a generation, that is no
 * word would have the hub refuse all that was numbered under it, and a lane that there is not would keep its readings for ever.
 */
import type { DatabaseSync } from 'node:sqlite';
import { EPOCH_PATTERN, GAP_REASONS, GENERATION_PATTERN, LANES } from '@weir/protocols';

const LANE_LIST = LANES.map((lane) => `'${lane}'`).join();
const REASON_LIST = GAP_REASONS.map((reason) => `'${reason}'`).join();

/** Small values that are words: the life, under which the hub takes everything, and the inputs since a row. */
export const WORDS_OF_META: ReadonlyMap<string, RegExp> = new Map([
  ['epoch', /^[A-Za-z0-9_-]{1,32}$/],
  ['since-row', /^\d{1,15}\.\d{1,15}$/],
]);

/** @returns tables out of which something was taken */
export function takeOutUnsoundWords(db: DatabaseSync): string[] {
  db.function('is_epoch', (word) => +EPOCH_PATTERN.test(String(word)));
  db.function('is_generation', (word) => +GENERATION_PATTERN.test(String(word)));
  const unsound: Record<string, string> = {
    outbox: `lane NOT IN (${LANE_LIST}) OR (generation IS NOT NULL AND NOT is_generation(generation))`,
    dropped: `lane NOT IN (${LANE_LIST}) OR NOT is_epoch(epoch) OR reason NOT IN (${REASON_LIST})`,
    run: `lane NOT IN (${LANE_LIST}) OR NOT is_epoch(epoch)`,
  };
  const tables = Object.keys(unsound);
  return tables.filter((table) => Number(db.prepare(`DELETE FROM ${table} WHERE ${unsound[table]}`).run().changes) > 0);
}
