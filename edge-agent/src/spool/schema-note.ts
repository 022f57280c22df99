/**
 * What the database notes of its own schema, in `meta`: on which page each table begins.
 *
 * SQLite knows that only from page 1 and the pages behind it. Are they damaged, everything else is sound and cannot be found.
 * `meta` is the first table that is made, so it begins on the same page in every spool, and from there on the note leads.
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

const KEY = 'schema';

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
  const json = JSON.stringify(schemaOf(db));
  const text = `${crc32(json)} ${json}`;
  if (meta.get(KEY) !== text) meta.set(KEY, text);
}

/** In place of one that came along from another database. */
export function renewNote(db: DatabaseSync): void {
  db.prepare('DELETE FROM meta WHERE key = ?').run(KEY);
  noteSchema(db);
}

/** @returns undefined: none was made, or it is damaged @throws as SQLite does when `meta` cannot be read */
export function readNote(db: DatabaseSync): SchemaNote | undefined {
  const [, checksum, json] = /^(\d+) (.*)$/s.exec(String(metaOf(db).get(KEY))) ?? [];
  return json !== undefined && Number(checksum) === crc32(json) ? (JSON.parse(json) as SchemaNote) : undefined;
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
