/** Everything that a run has left in its database, as texts that can be compared. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** By table and row. */
export type Outcome = Map<string, string[]>;

/** What tells when something was done, or what it cost, is another in each run. Everything else must be equal. */
const COLUMNS_LEFT_OUT: Record<string, string[]> = {
  // How long the machine is up, and in which span of time: each start begins another.
  journal: ['era', 'monotonic', 'stamped'],
  outbox: ['created_at', 'era', 'stamped'],
  usage: ['day', 'from_at', 'to_at', 'cpu_ms', 'heap_bytes_max', 'invocations'],
};
/**
 * A version proves itself by the clock, too: a restart begins anew, and it is noted at a tick, in a commit of its own.
 * Runs are what restarts are told by; the numbers that they have given are compared with the items, and the note of them
 * with their table.
 */
const TABLES_LEFT_OUT = ['proven', 'run', 'era'];
const ROWS_LEFT_OUT: Record<string, string> = { meta: "key IN ('step', 'clock', 'clock-at', 'runs')" };
const RUNS_NOTED = `SELECT coalesce((SELECT value FROM meta WHERE key = 'runs'), '[]') =
  (SELECT json_group_array(json_array(lane, seq, epoch) ORDER BY lane, seq) FROM run) AS as_table`;

/**
 * What was dropped is noted by run, and where one begins is where a restart happened: what is compared are the numbers
 * and counts of all runs together.
 */
const DROPPED = `SELECT lane, reason, min(seq) AS seq, max(through) AS through, sum(count) AS count, min(from_ts) AS from_ts,
  max(to_ts) AS to_ts FROM dropped GROUP BY lane, reason ORDER BY lane, reason`;

export function outcomeOf(data: string): Outcome {
  const db = new DatabaseSync(join(data, 'spool.db'), { readOnly: true });
  try {
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    const names = tables.map(({ name }) => name as string).filter((name) => !TABLES_LEFT_OUT.includes(name));
    const outcome: Outcome = new Map(names.map((name) => [name, rowsOf(db, name)]));
    return outcome.set('note of runs', [
      db.prepare(RUNS_NOTED).get()!.as_table ? 'as their table' : 'not as their table',
    ]);
  } finally {
    db.close();
  }
}

/** What differs first in each table; empty: nothing does. */
export function differences(wanted: Outcome, found: Outcome): string[] {
  const told: string[] = [];
  for (const table of new Set([...wanted.keys(), ...found.keys()])) {
    const [a, b] = [wanted.get(table) ?? [], found.get(table) ?? []];
    const at = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).find((i) => a[i] !== b[i]);
    if (at === undefined) continue;
    const differing = a.filter((row, i) => row !== b[i]).length;
    told.push(
      `${table}: ${differing} of ${a.length} rows differ, found ${b.length}; the first is row ${at}${around(a[at], b[at])}`,
    );
  }
  return told;
}

/** A publish that was taken off the list was carried out, once. */
export function publishesIn(outcome: Outcome): { id: string; topic: string; payload: string; carried_out: number }[] {
  return outcome.get('observed_publish')!.map((row) => JSON.parse(row));
}

function rowsOf(db: DatabaseSync, table: string): string[] {
  if (table === 'dropped')
    return db
      .prepare(DROPPED)
      .all()
      .map((row) => JSON.stringify(row));
  const columns = db.prepare(`SELECT name FROM pragma_table_info(?)`).all(table);
  const names = columns.map(({ name }) => name as string).filter((name) => !COLUMNS_LEFT_OUT[table]?.includes(name));
  const list = names.map((name) => `"${name}"`).join();
  // By rowid where there is one would show the order of writing, which no reader relies on.
  return db
    .prepare(
      `SELECT ${list} FROM "${table}" WHERE NOT (${ROWS_LEFT_OUT[table] ?? 'false'}) ORDER BY ${names.map((_, at) => at + 1).join()}`,
    )
    .all()
    .map((row) => JSON.stringify(row, (_key, value) => (value instanceof Uint8Array ? hex(value) : value)));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

const AROUND_CHARS = 160;

/** Long rows are shown where they part. */
function around(a: string | undefined, b: string | undefined): string {
  let at = 0;
  while (at < Math.min(a?.length ?? 0, b?.length ?? 0) && a![at] === b![at]) at++;
  const from = Math.max(0, at - AROUND_CHARS / 2);
  const part = (text: string | undefined) => text?.slice(from, from + AROUND_CHARS * 2) ?? '(none)';
  return ` from character ${at} on:\n    wanted …${part(a)}\n    found  …${part(b)}`;
}
