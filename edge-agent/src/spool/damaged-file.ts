/**
 * Opens a damaged database for reading, and puts right meanwhile what SQLite needs to know before it reads anything.
 *
 *     head      that of a sound database, where a field that is the same in each of this program's is another
 *     length    a file that was cut short is filled up: SQLite refuses it as a whole
 *     schema    where it cannot be read, or is not what `meta` notes of it: a first page made of the note, while it is open
 *
 * Without a note that has its right checksum nothing is guessed: the rows of one table look much like those of another.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { agrees, notesIn, readNote, type SchemaNote } from './schema-note.ts';
import { HEAD_BYTES, type ReadTable, schemaPage } from './schema-page.ts';

/** A database of the same program that is sound. */
export interface SoundDatabase {
  db: DatabaseSync;
  file: string;
}

export interface DamagedDatabase {
  db: DatabaseSync;
  /** Undefined: nobody knows which there were. Otherwise one that is not among them never was. */
  tables: ReadonlySet<string> | undefined;
  close: () => void;
}

/** Fields of the head. @see https://sqlite.org/fileformat2.html section 1.3 */
const VERSIONS = [18, 19];
const CHANGES = 24;
const PAGES = 28;
const FREE_PAGES = [32, 36];
const VALID_FOR = 92;
/** The name, page size and what it leaves unused; format, vacuum, encoding, and what is reserved. */
const CONSTANT: readonly [from: number, to: number][] = [
  [0, 18],
  [20, 24],
  [44, 48],
  [52, 60],
  [64, 92],
];
/** A page size of 65,536 is written so. */
const LARGEST_PAGE = 1;
/** No spool is larger. */
const FILLED_BYTES_MAX = 64 * 1024 ** 3;
/** Read at a time, and how far a note may reach beyond: it is on one page. */
const CHUNK_BYTES = 1024 * 1024;
const NOTE_BYTES_MAX = 4_096;
const ROLLBACK = 1;
const LOGGED = 2;

/** @param file nobody has it open, and it was put aside @returns undefined: nothing of it can be read */
export function openDamaged(file: string, sound: SoundDatabase): DamagedDatabase | undefined {
  try {
    putBack(file);
    mendHead(file, readStart(sound.file, HEAD_BYTES));
  } catch {
    return undefined;
  }
  return openWhole(file) ?? openByNote(file, sound) ?? openAsItIs(file);
}

/** Where the schema is as noted. */
function openWhole(file: string): DamagedDatabase | undefined {
  const opened = openAsItIs(file);
  if (opened === undefined) return undefined;
  try {
    const note = readNote(opened.db);
    if (note !== undefined && agrees(opened.db, note)) return { ...opened, tables: namesIn(opened.db) };
  } catch {
    // It is as if there was no note.
  }
  opened.close();
  return undefined;
}

function openAsItIs(file: string): DamagedDatabase | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file);
    const opened = db;
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    return { db, tables: undefined, close: () => closeQuietly(opened) };
  } catch {
    // What its log holds is in the file now, if that could be done.
    closeQuietly(db);
    return undefined;
  }
}

function openByNote(file: string, sound: SoundDatabase): DamagedDatabase | undefined {
  try {
    const root = sound.db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'meta'").get()!.rootpage as number;
    const note = noteBehind(file, sound, root) ?? noteAnywhere(file);
    return note && openWith(file, sound, note.roots);
  } catch {
    return undefined;
  }
}

/** @param root first page of `meta` */
function noteBehind(file: string, sound: SoundDatabase, root: number): SchemaNote | undefined {
  const first = openWith(file, sound, { meta: root });
  try {
    return first && readNote(first.db);
  } catch {
    return undefined;
  } finally {
    first?.close();
  }
}

/** The newest: those before it may still be there, in the free part of a page. */
function noteAnywhere(file: string): SchemaNote | undefined {
  const handle = openSync(file, 'r');
  try {
    let newest: SchemaNote | undefined;
    const chunk = Buffer.alloc(CHUNK_BYTES + NOTE_BYTES_MAX);
    for (let at = 0; at < fstatSync(handle).size; at += CHUNK_BYTES) {
      const length = readSync(handle, chunk, 0, chunk.length, at);
      for (const note of notesIn(chunk.toString('latin1', 0, length))) {
        if (newest === undefined || note.version > newest.version) newest = note;
      }
    }
    return newest;
  } finally {
    closeSync(handle);
  }
}

/** With a first page by which the tables begin where `roots` says, until it is closed. */
function openWith(file: string, sound: SoundDatabase, roots: Record<string, number>): DamagedDatabase | undefined {
  const head = readStart(file, HEAD_BYTES);
  const bytes = pageBytes(head);
  for (const at of VERSIONS) head[at] = ROLLBACK;
  for (const at of FREE_PAGES) head.writeUInt32BE(0, at);
  const tables = Object.entries(roots).flatMap(([name, root]) => readTable(sound.db, name, root) ?? []);
  const page = schemaPage(head, bytes, tables);
  if (page === undefined) return undefined;
  putAside(file, bytes);
  writeStart(file, page);
  const opened = openAsItIs(file);
  const close = () => {
    opened?.close();
    putBack(file);
  };
  if (opened !== undefined) return { db: opened.db, tables: new Set(Object.keys(roots)), close };
  close();
  return undefined;
}

/** Types do not matter for reading, but for that of a rowid; the order of what is stored does. */
function readTable(db: DatabaseSync, name: string, root: number): ReadTable | undefined {
  const listed = db.prepare('SELECT wr FROM pragma_table_list WHERE name = ?').get(name);
  if (listed === undefined) return undefined;
  const columns = db.prepare('SELECT name, type, pk FROM pragma_table_info(?)').all(name);
  const keys = columns.filter(({ pk }) => pk !== 0).sort((a, b) => (a.pk as number) - (b.pk as number));
  const isRowid = ({ type, pk }: (typeof columns)[number]) => keys.length === 1 && pk === 1 && type === 'INTEGER';
  const parts = columns.map((column) => `${column.name}${isRowid(column) ? ' INTEGER PRIMARY KEY' : ''}`);
  if (listed.wr === 0) return { name, root, sql: `CREATE TABLE ${name}(${parts})` };
  const key = keys.map((column) => column.name);
  return { name, root, sql: `CREATE TABLE ${name}(${columns.map((c) => c.name)},PRIMARY KEY(${key}))WITHOUT ROWID` };
}

function namesIn(db: DatabaseSync): Set<string> {
  const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  return new Set(rows.map(({ name }) => name as string));
}

function mendHead(file: string, sound: Buffer): void {
  const found = readStart(file, HEAD_BYTES);
  const head = Buffer.from(found);
  for (const [from, to] of CONSTANT) sound.copy(head, from, from, to);
  for (const at of VERSIONS) if (head[at] !== ROLLBACK && head[at] !== LOGGED) head[at] = LOGGED;
  const bytes = pageBytes(head);
  const there = Math.ceil(sizeOf(file) / bytes);
  const claimed = head.readUInt32BE(PAGES);
  // What a damaged head claims must not fill the disk: a hole takes no room, and what is beyond all bounds is no claim.
  const pages = claimed * bytes <= FILLED_BYTES_MAX ? Math.max(claimed, there) : there;
  head.writeUInt32BE(pages, PAGES);
  head.copy(head, VALID_FOR, CHANGES, CHANGES + 4);
  if (!head.equals(found)) writeStart(file, head);
  if (pages * bytes > sizeOf(file)) truncateSync(file, pages * bytes);
}

function pageBytes(head: Buffer): number {
  const size = head.readUInt16BE(16);
  return size === LARGEST_PAGE ? 65_536 : size;
}

const asideOf = (file: string) => `${file}-page`;

/** On the disk, before anything is written in its place. */
function putAside(file: string, bytes: number): void {
  const written = `${asideOf(file)}.new`;
  writeFileSync(written, readStart(file, bytes), { mode: 0o600, flush: true });
  renameSync(written, asideOf(file));
}

/** So that the file is kept as it was found; a salvage that did not come to its end left another page there. */
export function putBack(file: string): void {
  if (!existsSync(asideOf(file))) return;
  writeStart(file, readFileSync(asideOf(file)));
  rmSync(asideOf(file));
}

/** From the beginning on; what is not there is 0. */
function readStart(file: string, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  const handle = openSync(file, 'r');
  try {
    readSync(handle, buffer, 0, bytes, 0);
    return buffer;
  } finally {
    closeSync(handle);
  }
}

function writeStart(file: string, bytes: Uint8Array): void {
  const handle = openSync(file, 'r+');
  try {
    writeSync(handle, bytes, 0, bytes.length, 0);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function sizeOf(file: string): number {
  return statSync(file).size;
}

function closeQuietly(db: DatabaseSync | undefined): void {
  try {
    db?.close();
  } catch {
    // It is damaged, which is why it is left.
  }
}
