import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { open } from './operations.ts';
import { type Salvaged, salvage } from './salvage.ts';
import { notesIn, readNote } from './schema-note.ts';
import { alertOf, arrivalOf, numbered, reportOf, SPOOL_OPTIONS, stepOf } from './spool.fixture.ts';

const NOW = 1_700_000_000_000;
const OPTIONS = { life: 'newlife', run: 'salvaged', now: NOW, hasTime: () => true };
const PAGE = 4_096;

type Operations = ReturnType<typeof open>;

/** Groups that functions have passed, and three that they have not. */
function live(ops: Operations, groups: number): void {
  let { step } = ops.state();
  for (let n = 0; n < groups; n++) {
    const { id } = ops.append(arrivalOf(numbered(n * 10, 10)));
    const states = [{ fold: 'f', json: `{"n":${n}}` }];
    ops.commitStep(stepOf(++step, { through: id, connected: n % 3 === 0, states }));
  }
  ops.commitStep(stepOf(++step, { alerts: [alertOf(1)], reports: [reportOf(1)] }));
  const running = [{ name: 'f', hash: 'a'.repeat(64), config: '{}', quarantined: null }];
  ops.stageBundle('a'.repeat(64), new Uint8Array(50_000));
  ops.commitStep(stepOf(++step, { deployed: { running } }));
  ops.acknowledge('live', Math.min(20, groups * 5));
  for (let n = 0; n < 3; n++) ops.append(arrivalOf(numbered(1_000 + n, 5)));
}

/** @param prepare what was done to the file before this program opened it */
function spoolIn(folder: string, groups: number, prepare: (db: DatabaseSync) => void = () => {}): string {
  const file = join(folder, 'spool.db');
  const db = new DatabaseSync(file);
  prepare(db);
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; BEGIN');
  live(open(db, SPOOL_OPTIONS), groups);
  db.exec('COMMIT');
  db.close();
  return file;
}

interface Contents {
  state: Omit<ReturnType<Operations['state']>, 'epoch'>;
  life: string;
  rows: number;
}

function contentsOf(file: string): Contents {
  const db = new DatabaseSync(file);
  const ops = open(db, { ...SPOOL_OPTIONS, run: 'later' });
  const { epoch, ...state } = ops.state();
  const rows = ops.journalAfter(0, 1e9).groups.length;
  expect(db.prepare('PRAGMA quick_check(1)').get()).toEqual({ quick_check: 'ok' });
  db.close();
  return { state, life: epoch.split('.')[0]!, rows };
}

function schemaPages(file: string): number[] {
  const db = new DatabaseSync(file);
  const pages = db.prepare("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'").all();
  db.close();
  return pages.map(({ pageno }) => pageno as number);
}

/** Of a page, or a part of it. */
function overwrite(file: string, page: number, bytes: Uint8Array, at = 0): void {
  const content = readFileSync(file);
  content.set(bytes, (page - 1) * PAGE + at);
  writeFileSync(file, content);
}

function salvaged(file: string): { outcome: Salvaged; after: Contents } {
  const to = `${file}.new`;
  rmSync(to, { force: true });
  const outcome = salvage(file, to, OPTIONS);
  return { outcome, after: contentsOf(to) };
}

/** Nothing is missing of what was in the file. */
function expectAll(file: string, before: Contents): void {
  const { outcome, after } = salvaged(file);
  expect(outcome).toMatchObject({ damaged: [], lostItems: 0, lostGroups: 0, uncounted: false });
  expect(after).toEqual(before);
}

const ZEROED_HEAD: [string, number, Uint8Array] = ['the head is zeroed', 1, new Uint8Array(100)];

test.for([
  ZEROED_HEAD,
  ['the first page is zeroed', 1, new Uint8Array(PAGE)],
  ['the first page is erased flash', 1, new Uint8Array(PAGE).fill(0xff)],
  ['the first page is that of another program', 1, new Uint8Array(PAGE).fill(0x41)],
] as const)('%s: everything behind it is found', ([_, page, bytes]) => {
  for (const groups of [0, 1, 300]) {
    const file = spoolIn(temporaryFolder(), groups);
    const before = contentsOf(file);
    overwrite(file, page, bytes);
    expectAll(file, before);
  }
});

test('any other page of the schema is zeroed: everything else is found', () => {
  const file = spoolIn(temporaryFolder(), 300);
  const before = contentsOf(file);
  const sound = readFileSync(file);
  const pages = schemaPages(file).filter((page) => page !== 1);
  expect(pages.length).toBeGreaterThan(0);
  for (const page of pages) {
    writeFileSync(file, sound);
    overwrite(file, page, new Uint8Array(PAGE));
    expectAll(file, before);
  }
});

test('bits flipped in the head and in all pages of the schema: no row is read for one of another table', () => {
  const file = spoolIn(temporaryFolder(), 60);
  const before = contentsOf(file);
  const sound = readFileSync(file);
  let seed = 1;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 40; round++) {
    writeFileSync(file, sound);
    for (const page of schemaPages(file)) {
      const content = readFileSync(file);
      const within = round % 2 === 0 && page === 1 ? 100 : PAGE;
      for (let n = 0; n <= round % 5; n++) content[(page - 1) * PAGE + random(within)]! ^= 1 << random(8);
      writeFileSync(`${file}.flipped`, content);
    }
    copyFileSync(`${file}.flipped`, file);
    expectAll(file, before);
  }
});

test('a spool whose tables an older program made in another order is found by its own note', () => {
  const prepare = (db: DatabaseSync) => {
    db.exec('CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID');
    db.exec(
      'CREATE TABLE last_good (name TEXT PRIMARY KEY, hash TEXT NOT NULL, config TEXT NOT NULL, state TEXT) STRICT',
    );
    db.exec('CREATE TABLE of_old (id INTEGER PRIMARY KEY, text TEXT)');
  };
  const file = spoolIn(temporaryFolder(), 50, prepare);
  const before = contentsOf(file);
  overwrite(file, 1, new Uint8Array(PAGE));
  expectAll(file, before);
});

test('with its log: what is in there counts; without it: what had been written back', () => {
  for (const isLogKept of [true, false]) {
    const folder = temporaryFolder();
    const file = spoolIn(folder, 40);
    const old = contentsOf(file);
    const db = new DatabaseSync(file);
    db.exec('PRAGMA journal_mode=WAL');
    const ops = open(db, { ...SPOOL_OPTIONS, run: 'later' });
    live(ops, 30);
    const { epoch: _, ...state } = ops.state();
    const rows = ops.journalAfter(0, 1e9).groups.length;
    const damaged = join(folder, 'damaged.db');
    copyFileSync(file, damaged);
    if (isLogKept) copyFileSync(`${file}-wal`, `${damaged}-wal`);
    db.close();
    overwrite(damaged, 1, new Uint8Array(PAGE));
    expectAll(damaged, isLogKept ? { life: 'life1', state, rows } : old);
  }
});

test('the first page and the one after it, where the note is: by its copy everything is found but what was in meta', () => {
  for (const groups of [0, 60]) {
    const file = spoolIn(temporaryFolder(), groups);
    const before = contentsOf(file);
    overwrite(file, 1, new Uint8Array(2 * PAGE));
    const { outcome, after } = salvaged(file);
    expect(outcome).toMatchObject({ damaged: ['meta'], lostItems: 0, uncounted: true });
    expect(after.life).toBe('newlife');
    const { lanes, deployments, states } = before.state;
    expect(after.state).toMatchObject({ lanes, deployments, states });
  }
});

test('the note of a file that was read into another is not in that one', () => {
  const file = spoolIn(temporaryFolder(), 20, (db) => db.exec('CREATE TABLE of_old (id INTEGER PRIMARY KEY)'));
  salvaged(file);
  const notes = notesIn(readFileSync(`${file}.new`).toString('latin1'));
  expect(notes.length).toBeGreaterThan(1);
  expect(notes.every(({ roots }) => roots.of_old === undefined)).toBe(true);
});

test('where nothing is noted nothing is guessed: a new life begins, and what is lost is not said to be counted', () => {
  const file = spoolIn(temporaryFolder(), 40);
  const db = new DatabaseSync(file);
  db.exec("PRAGMA secure_delete=ON; DELETE FROM meta WHERE key = 'schema'; DELETE FROM schema_note");
  db.close();
  overwrite(file, 1, new Uint8Array(PAGE));
  const { outcome, after } = salvaged(file);
  expect(outcome).toMatchObject({ uncounted: true });
  expect(after).toMatchObject({ life: 'newlife', rows: 0 });
});

test('a note that is damaged is none', () => {
  const file = spoolIn(temporaryFolder(), 40);
  overwrite(file, 1, new Uint8Array(PAGE));
  const content = readFileSync(file);
  for (let at = content.indexOf('"journal":'); at >= 0; at = content.indexOf('"journal":'))
    content.write('"jaurnal":', at);
  writeFileSync(file, content);
  expect(salvaged(file).outcome.uncounted).toBe(true);
});

test('the damaged file is kept as it was found, also when the power is lost while another first page is in it', () => {
  const folder = temporaryFolder();
  const file = spoolIn(folder, 40);
  const before = contentsOf(file);
  overwrite(file, 1, new Uint8Array(PAGE - 100).fill(0x41), 100);
  const found = readFileSync(file);
  expectAll(file, before);
  expect(readFileSync(file).subarray(100)).toEqual(found.subarray(100));
  // As it is in the middle of it.
  writeFileSync(`${file}-page`, found.subarray(0, PAGE));
  overwrite(file, 1, new Uint8Array(PAGE).fill(0x42));
  expectAll(file, before);
  expect(readFileSync(file).subarray(100)).toEqual(found.subarray(100));
  expect(readdirSync(folder).filter((name) => name.includes('-page'))).toEqual([]);
  expect(existsSync(`${file}-wal`)).toBe(false);
});

test('a schema that says other than it did is noticed when the spool is opened; one that was put in order is not', () => {
  const file = spoolIn(temporaryFolder(), 40);
  const vacuumed = new DatabaseSync(file);
  vacuumed.exec('VACUUM');
  vacuumed.close();
  contentsOf(file);
  const db = new DatabaseSync(file);
  expect(readNote(db)!.roots.meta).toBe(2);
  db.close();
  const content = readFileSync(file);
  for (let at = content.indexOf('thin_front'); at >= 0; at = content.indexOf('thin_front'))
    content.write('thin_frond', at);
  writeFileSync(file, content);
  expect(() => contentsOf(file)).toThrow('the schema is not what was noted of it');
});
