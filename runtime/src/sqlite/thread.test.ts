import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TestOperations } from './thread.fixture.ts';
import { openSqliteThread, SqliteError, type SqliteThread } from './thread.ts';

let folder: string;
let thread: SqliteThread<TestOperations>;

const openThread = () =>
  openSqliteThread<TestOperations>({
    file: join(folder, 'test.db'),
    operations: new URL('./thread.fixture.ts', import.meta.url),
    options: { table: 'words' },
  });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-sqlite-'));
  thread = await openThread();
});

afterEach(async () => {
  await thread.close();
  rmSync(folder, { recursive: true });
});

test('calls are carried out in order and survive closing', async () => {
  const ids = await Promise.all(['a', 'b', 'c'].map((word) => thread.call('add', word)));
  expect(ids).toEqual([1, 2, 3]);
  await thread.close();
  thread = await openThread();
  expect(await thread.call('all')).toEqual(['a', 'b', 'c']);
});

test('a call that throws is undone alone; its neighbours in the same transaction stay', async () => {
  const outcomes = await Promise.allSettled([
    thread.call('add', 'a'),
    thread.call('addAndThrow', 'b'),
    thread.call('add', 'c'),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await thread.call('all')).toEqual(['a', 'c']);
});

test('calls that wait share one commit: far fewer pages reach the log than one for each', async () => {
  await Promise.all(Array.from({ length: 500 }, (_, i) => thread.call('add', `w${i}`)));
  const bytes = statSync(join(folder, 'test.db-wal')).size;
  expect(bytes).toBeLessThan((500 * 4096) / 4);
});

test('after a commit that the disk failed the file is opened anew before anything else is committed', async () => {
  await thread.call('add', 'before');
  expect(await thread.call('opened')).toBe(1);
  await expect(thread.call('addAndFailDisk', 'lost')).rejects.toMatchObject({ code: 'io' });
  await thread.call('add', 'after');
  expect(await thread.call('opened')).toBe(2);
  expect(await thread.call('all')).toEqual(['before', 'after']);
});

test('what was committed before the disk failed is out of the log before the next commit', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, i) => thread.call('add', `w${i}`)));
  await expect(thread.call('addAndFailDisk', 'lost')).rejects.toMatchObject({ code: 'io' });
  expect(await thread.call('size', new Uint8Array(3))).toBe(3);
  expect(statSync(join(folder, 'test.db-wal')).size).toBe(0);
});

test('while a reader keeps the log from being emptied nothing is committed; then it goes on', async () => {
  await thread.call('add', 'before');
  const reader = new DatabaseSync(join(folder, 'test.db'), { readOnly: true });
  reader.exec('BEGIN');
  reader.prepare('SELECT * FROM words').all();
  await expect(thread.call('addAndFailDisk', 'lost')).rejects.toMatchObject({ code: 'io' });
  await expect(thread.call('add', 'refused')).rejects.toMatchObject({ code: 'busy' });
  reader.close();
  await thread.call('add', 'after');
  expect(await thread.call('all')).toEqual(['before', 'after']);
});

test('a moved buffer arrives whole', async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  expect(await thread.callMoving([bytes.buffer], 'size', bytes)).toBe(3);
  expect(bytes.length).toBe(0);
});

test('a call after close says that the database is closed', async () => {
  await thread.close();
  await expect(thread.call('add', 'late')).rejects.toMatchObject({ name: 'SqliteError', code: 'closed' });
});

test('a file that is no database is refused with code corrupt', async () => {
  writeFileSync(join(folder, 'junk.db'), 'x'.repeat(5000));
  const opening = openSqliteThread<TestOperations>({
    file: join(folder, 'junk.db'),
    operations: new URL('./thread.fixture.ts', import.meta.url),
    options: { table: 'words' },
  });
  await expect(opening).rejects.toBeInstanceOf(SqliteError);
  await expect(opening).rejects.toMatchObject({ code: 'corrupt' });
});

test('with bounded syncs a commit is answered at once, what is awaited with the sync, and few syncs serve many commits', async () => {
  await thread.close();
  const open = (everyMs: number) =>
    openSqliteThread<TestOperations>({
      file: join(folder, 'test.db'),
      operations: new URL('./thread.fixture.ts', import.meta.url),
      options: { table: 'words' },
      boundedSync: { everyMs, awaited: ['all'] },
    });
  // The next sync is that of closing.
  thread = await open(3_600_000);
  for (let n = 0; n < 20; n++) await thread.call('add', `w${n}`);
  expect(await thread.figures()).toEqual({ commits: 20, syncs: 0 });
  let answered = false;
  const all = thread.call('all').then((words) => {
    answered = true;
    return words;
  });
  await thread.call('size', new Uint8Array(1));
  expect(answered).toBe(false);
  await thread.close();
  expect((await all).length).toBe(20);
  thread = await open(1);
  expect((await thread.call('all')).length).toBe(20);
});

test('without bounds each commit that writes has a sync of its own, and one that reads has none', async () => {
  for (const word of ['a', 'b', 'c']) await thread.call('add', word);
  await thread.call('all');
  expect(await thread.figures()).toEqual({ commits: 3, syncs: 3 });
});
