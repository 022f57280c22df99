/**
 * What the database notes of its own schema, in `meta`: on which page each table begins.
 *
 * SQLite knows that only from page 1 and the pages behind it. Are they damaged, everything else is sound and cannot be found.
 * `meta` is the first table that is made, so it begins on the same page in every spool, and from there on the note leads. That
 * is the second page, beside the first; so there is a copy in a table that is made last, to be found by going through the file.
 *
 *     <checksum> {"version":…,"digest":…,"roots":{"journal":3,…}}
 */
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { metaOf } from './schema.ts';

export interface SchemaNote {
  /** SQLite's number of the schema: one more with each change, also when the file is vacuumed. */
  version: number;
  /** Of all that the schema says. */
  digest: number;
  /** First page by table. */
  roots: Record<string, number>;
}

/** In `meta`. */
export const NOTE_KEY = 'schema';
/** Of the copy. */
export const NOTE_TABLE = 'schema_note';
const TABLE = `CREATE TABLE IF NOT EXISTS ${NOTE_TABLE} (id INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT`;
const NOTE = /(\d+) (\{"version":\d+,"digest":\d+,"roots":\{[^{}]*\}\})/g;

/** @see SQLite result codes */
const CORRUPT = 11;

/**
 * To be called when all tables are made. Writes nothing when nothing has changed.
 * @throws as SQLite does on damage when the schema says other things than it did, and nobody has changed it
 */
export function noteSchema(db: DatabaseSync): void {
  const meta = metaOf(db);
  const note = readNote(db);
  if (note !== undefined && !agrees(db, note)) {
    throw Object.assign(new Error('the schema is not what was noted of it'), { errcode: CORRUPT });
  }
  db.exec(TABLE);
  const json = JSON.stringify(schemaOf(db));
  const text = `${crc32(json)} ${json}`;
  if (meta.get(NOTE_KEY) !== text) meta.set(NOTE_KEY, text);
  const copy = db.prepare(`SELECT note FROM ${NOTE_TABLE} WHERE id = 1`).get();
  if (copy?.note !== text) db.prepare(`INSERT OR REPLACE INTO ${NOTE_TABLE} VALUES (1, ?)`).run(text);
}

/** @returns undefined: none was made, or it is damaged @throws as SQLite does when `meta` cannot be read */
export function readNote(db: DatabaseSync): SchemaNote | undefined {
  return notesIn(String(metaOf(db).get(NOTE_KEY)))[0];
}

/** @param text anything @returns the notes in it that have their right checksums */
export function notesIn(text: string): SchemaNote[] {
  return [...text.matchAll(NOTE)].flatMap(([, digits, json]) => {
    const checksum = String(crc32(json!));
    // What comes before it in the file may look like a digit.
    return digits!.endsWith(checksum) ? [JSON.parse(json!) as SchemaNote] : [];
  });
}

/** Of one new program: tables and columns that it adds. What a damaged number is off by is rarely so little. */
const CHANGES_MAX = 100;

/**
 * Whether the schema is as it was noted. One that was changed since is none of damage's: the power may be cut before the note,
 * and somebody may have had the file put in order.
 */
export function agrees(db: DatabaseSync, note: SchemaNote): boolean {
  const { version, digest } = schemaOf(db);
  return digest === note.digest || (version > note.version && version - note.version <= CHANGES_MAX);
}

function schemaOf(db: DatabaseSync): SchemaNote {
  const rows = db.prepare('SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema').all();
  const tables = rows.filter(({ type }) => type === 'table');
  return {
    version: db.prepare('PRAGMA schema_version').get()!.schema_version as number,
    digest: crc32(JSON.stringify(rows)),
    roots: Object.fromEntries(tables.map(({ name, rootpage }) => [name as string, rootpage as number])),
  };
}
