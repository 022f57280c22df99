/**
 * The agent's one database: what must survive is here, in one file, so that one transaction can bind it together.
 *
 *     journal       groups of readings in arrival order. id = position. A row stays until the functions have passed it
 *                   and the uplink has delivered it; the outbox refers to it, so readings are written to the card once.
 *     outbox        what must reach the hub, by lane, in item order: a reference into the journal, or a payload
 *     lane          numbering and accounts of a lane: items 0 … next_seq-1 were numbered, up to `acked` delivered
 *                   `sent`: items below it may have been sent; how far it was thinned out, and searched for what may go
 *     run           from which item on a lane was numbered in which run of the agent, as long as such items wait
 *     dropped       item ranges given up at a bound, and the report that tells the hub of each
 *     fold_state    state of each function or rule, as of meta.position
 *     publish       messages of functions to local actuators, committed and not yet carried out
 *     request       HTTP requests of functions, as JSON: committed, and their answers not yet
 *     dead_letter   input that functions could not take, until it is run again or removed
 *     command       what this device was told to do and has not done; command_ended: what the hub's commands ended as
 *     deployment    what runs, with its bundle; survives a restart without a hub
 *     proven        of these, what ran well for a while
 *     last_good     what ran well before it, with its state when it was replaced: what to go back to
 *     failed        what is wanted and failed, in whose place a deployment runs
 *     candidate     what runs beside a deployment to be compared with it, with its state
 *     trial         versions on trial, and the ends of the agent since: see `functions/trial-table.ts`
 *     usage         what functions used, by day, and no report has told yet
 *     spent         what a metered line has cost, by day
 *     refused…      payloads that were no readings: counts by reason, and the last ones to look at
 *
 *     era           spans of time as this device took it to be, and by how much it was wrong: see `clock/eras.ts`, which also
 *                   adds to journal and outbox of which each row is
 *
 *     notice…       what the device itself has to tell people of alerts: see `notices/notice-table.ts`
 *
 *     floor         what may run here by what authors have signed, with release: see `trust/trust-table.ts`
 *
 *     meta          version · epoch (word for the life of this file) · position (last journal row the functions passed) ·
 *                   step (number of the last commit) ·
 *                   since-row (row, and how many inputs after it were no rows) ·
 *                   accepted · future (of these, ahead of the clock) · publishes-dropped · dead-letters-dropped ·
 *                   commands-dropped · desired (JSON of what the hub wants) · trust (JSON of whom this device believes) · clock (JSON of what is known of the time) ·
 *                   clock-at (the latest there was) · run (JSON of the agent's run, and how it stands) · restored (JSON of what became of a damaged file in whose place this is) ·
 *                   schema (where each table begins: see `schema-note.ts`; `schema_note` has it again)
 */
import type { DatabaseSync } from 'node:sqlite';

export const SCHEMA_VERSION = 2;

const TABLES = `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a position names its input for ever, so an id must not come back after its row is gone.
CREATE TABLE IF NOT EXISTS journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT, received_at INTEGER NOT NULL, count INTEGER NOT NULL, bytes BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS lane (
  lane TEXT PRIMARY KEY, next_seq INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0,
  items INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,
  sent INTEGER NOT NULL DEFAULT 0, thin_level INTEGER NOT NULL DEFAULT 0, thin_front INTEGER NOT NULL DEFAULT 0,
  drop_front INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS outbox (
  lane TEXT NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL, journal_id INTEGER, payload BLOB
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS outbox_order ON outbox (lane, seq);

CREATE TABLE IF NOT EXISTS run (
  lane TEXT NOT NULL, seq INTEGER NOT NULL, epoch TEXT NOT NULL, PRIMARY KEY (lane, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS dropped (
  id INTEGER PRIMARY KEY, lane TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, through INTEGER NOT NULL,
  count INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, from_ts INTEGER, to_ts INTEGER,
  told INTEGER, delivered INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS dropped_next ON dropped (lane, epoch, reason, through) WHERE told IS NULL;

CREATE TABLE IF NOT EXISTS fold_state (fold TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;

CREATE TABLE IF NOT EXISTS publish (
  id TEXT PRIMARY KEY, topic TEXT NOT NULL, payload TEXT NOT NULL, qos INTEGER NOT NULL, retain INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS request (id TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS dead_letter (
  id TEXT PRIMARY KEY, fold TEXT NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL, replays INTEGER NOT NULL,
  told INTEGER NOT NULL, json TEXT NOT NULL, columns BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS dead_letter_size ON dead_letter (fold, bytes);

CREATE TABLE IF NOT EXISTS command (
  origin TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, expires_at INTEGER, PRIMARY KEY (origin, id)
) STRICT;
CREATE TABLE IF NOT EXISTS command_ended (id TEXT PRIMARY KEY, outcome TEXT NOT NULL, detail TEXT) STRICT;

CREATE TABLE IF NOT EXISTS deployment (
  name TEXT PRIMARY KEY, hash TEXT NOT NULL, config TEXT NOT NULL, quarantined TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS proven (name TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS last_good (
  name TEXT PRIMARY KEY, hash TEXT NOT NULL, config TEXT NOT NULL, state TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS failed (
  name TEXT PRIMARY KEY, hash TEXT NOT NULL, config TEXT NOT NULL, version TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS trial (
  name TEXT NOT NULL, hash TEXT NOT NULL, config TEXT NOT NULL, halves INTEGER NOT NULL, PRIMARY KEY (name, hash, config)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS candidate (
  name TEXT PRIMARY KEY, hash TEXT NOT NULL, config TEXT NOT NULL, since INTEGER NOT NULL, state TEXT,
  comparison TEXT NOT NULL, failed TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS bundle (hash TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;

CREATE TABLE IF NOT EXISTS usage (
  fold TEXT NOT NULL, version TEXT NOT NULL, day INTEGER NOT NULL, from_at INTEGER NOT NULL, to_at INTEGER NOT NULL,
  memory_mb INTEGER NOT NULL, invocations INTEGER NOT NULL, readings INTEGER NOT NULL, cpu_ms REAL NOT NULL,
  heap_bytes_max INTEGER NOT NULL, errors INTEGER NOT NULL, outputs INTEGER NOT NULL, PRIMARY KEY (fold, version, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS spent (day TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS refused (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused_payload (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL,
  detail TEXT NOT NULL, head BLOB NOT NULL
) STRICT;

INSERT OR IGNORE INTO lane (lane) VALUES ('alert'), ('live'), ('backfill'), ('report');
INSERT OR IGNORE INTO meta VALUES ('version', ${SCHEMA_VERSION}), ('position', 0), ('step', 0),
  ('accepted', 0), ('future', 0), ('publishes-dropped', 0), ('dead-letters-dropped', 0), ('commands-dropped', 0);
`;

/**
 * @param life word for the life of the spool, should it be new
 * @throws when another version of the agent has written the file
 */
export function makeSchema(db: DatabaseSync, life: string): void {
  db.exec(TABLES);
  addColumn(db, 'outbox', 'generation', 'TEXT');
  db.prepare('INSERT OR IGNORE INTO meta VALUES (?, ?)').run('epoch', life);
  const version = db.prepare("SELECT value FROM meta WHERE key = 'version'").get()!.value as number;
  if (version === SCHEMA_VERSION) return;
  const remedy = version > SCHEMA_VERSION ? 'start a newer agent' : 'it is of a trial version: remove it';
  throw new Error(`the spool has version ${version}, this agent reads version ${SCHEMA_VERSION}: ${remedy}`);
}

/** To tables of before, too. */
export function addColumn(db: DatabaseSync, table: string, column: string, type: string): void {
  const known = db.prepare('SELECT count(*) AS n FROM pragma_table_info(?) WHERE name = ?').get(table, column)!.n;
  if (known === 0) db.exec(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`);
}

export interface Meta {
  get(key: string): unknown;
  set(key: string, value: string | number): void;
  /** Adds to a number. */
  add(key: string, amount: number): void;
}

export function metaOf(db: DatabaseSync): Meta {
  const select = db.prepare('SELECT value FROM meta WHERE key = ?');
  const upsert = db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  const increase = db.prepare('UPDATE meta SET value = value + ? WHERE key = ?');
  return {
    get: (key) => select.get(key)?.value,
    set: (key, value) => void upsert.run(key, value),
    add: (key, amount) => void increase.run(amount, key),
  };
}
