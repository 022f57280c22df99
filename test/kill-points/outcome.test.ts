import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployedSpool } from '../support/deployed-spool.ts';
import { differences, outcomeOf } from './outcome.ts';
import { groupsOf } from './readings.ts';
import { commitHit } from './write-ahead-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-outcome-'));
const empty = join(folder, 'empty');
beforeAll(async () => (await deployedSpool(empty, [])).close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let copies = 0;
/** A run that has left what the statements write. */
function runOf(...statements: string[]): string {
  const data = join(folder, `run-${++copies}`);
  cpSync(empty, data, { recursive: true });
  const db = new DatabaseSync(join(data, 'spool.db'));
  db.exec(`PRAGMA synchronous = OFF; ${statements.join(';')}`);
  db.close();
  return data;
}

const item = (seq: number, payload = '01', at = 1) =>
  `INSERT INTO outbox (lane, seq, count, bytes, created_at, payload) VALUES ('live', ${seq}, 1, 9, ${at}, x'${payload}')`;
const state = (n: number) => `INSERT INTO fold_state VALUES ('f', '{"n":${n}}')`;

test.each([
  ['a state', [state(1)], [state(2)]],
  ['a byte of an item', [item(0, '0102')], [item(0, '0103')]],
  ['an item more', [item(0)], [item(0), item(1)]],
  ['a count of what was dropped', [], [`UPDATE lane SET dropped = 1 WHERE lane = 'live'`]],
  ['a dead letter', [], [`INSERT INTO dead_letter VALUES ('f:1', 'f', 1, 9, 0, 0, '{}', NULL)`]],
  ['a note of runs that is not as their table', [], [`INSERT INTO run (lane, seq, epoch) VALUES ('live', 0, 'a.b')`]],
  ['a position', [], [`UPDATE meta SET value = 7 WHERE key = 'position'`]],
])('two runs that differ by %s are told apart', (_what, wanted, found) => {
  expect(differences(outcomeOf(runOf(...wanted)), outcomeOf(runOf(...found)))).toHaveLength(1);
  expect(differences(outcomeOf(runOf(...found)), outcomeOf(runOf(...found)))).toEqual([]);
});

test('when something was done is not told as a difference', () => {
  expect(differences(outcomeOf(runOf(item(0, '01', 111))), outcomeOf(runOf(item(0, '01', 222))))).toEqual([]);
});

test('a run of another name is no difference, as long as it is noted', () => {
  const numbered = (epoch: string) => [
    `INSERT INTO run (lane, seq, epoch) VALUES ('live', 0, '${epoch}')`,
    `INSERT INTO meta (key, value) VALUES ('runs', '[["live",0,"${epoch}"]]')`,
  ];
  expect(differences(outcomeOf(runOf(...numbered('a.b'))), outcomeOf(runOf(...numbered('a.c'))))).toEqual([]);
});

test('the readings of a run are the same for the same seed, and others for another', () => {
  expect(groupsOf(5, 50)).toEqual(groupsOf(5, 50));
  expect(groupsOf(5, 50)).not.toEqual(groupsOf(6, 50));
});

test('a transaction of which nobody has heard is found behind those that are committed; torn, it has never been', () => {
  const killed = runOf('PRAGMA journal_mode = WAL', state(1));
  const db = new DatabaseSync(join(killed, 'spool.db'));
  db.exec(`PRAGMA wal_autocheckpoint = 0; UPDATE fold_state SET json = '{"n":2}'`);
  const [index, kept] = [join(killed, 'spool.db-shm'), join(folder, 'index')];
  copyFileSync(index, kept);
  expect(commitHit(killed, undefined)).toBeUndefined();
  db.exec(`UPDATE fold_state SET json = '{"n":3}'`);
  const data = join(folder, 'left');
  cpSync(killed, data, { recursive: true });
  db.close();
  copyFileSync(kept, join(data, 'spool.db-shm'));
  expect(commitHit(data, undefined)).toBe('unheard');
  expect(commitHit(data, 0.5)).toBe('torn');
  rmSync(join(data, 'spool.db-shm'));
  expect(outcomeOf(data).get('fold_state')).toEqual([`{"fold":"f","json":"{\\"n\\":2}"}`]);
});
