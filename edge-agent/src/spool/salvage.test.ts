import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LANES } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { open } from './operations.ts';
import { Quarantine } from './quarantine.ts';
import { checkAccounts, filled, NOW, OPTIONS, type Opened, opened, ROOM, START } from './salvage.fixture.ts';
import { type Salvaged, salvage } from './salvage.ts';
import { arrivalOf, numbered, outboxLimits, SPOOL_OPTIONS, stepOf } from './spool.fixture.ts';

test('of a sound database nothing is lost', () => {
  const folder = temporaryFolder();
  const file = filled(folder);
  const before = opened(file);
  const state = before.ops.state();
  const journal = before.ops.journalAfter(0, 1e9).groups.length;
  before.db.close();
  const outcome = salvage(file, join(folder, 'new.db'), OPTIONS);
  expect(outcome).toMatchObject({ damaged: [], lostItems: 0, lostGroups: 0, uncounted: false });
  const after = opened(join(folder, 'new.db'));
  expect(after.ops.state()).toEqual(state);
  expect(after.ops.journalAfter(0, 1e9).groups.length).toBe(journal);
  expect(JSON.parse(after.ops.restored()!)).toEqual({
    ...{ at: NOW, damaged: [], lostItems: 0, lostGroups: 0, uncounted: false },
  });
  checkAccounts(after);
});

test('a page of the outbox that is damaged takes its own rows along, and each lost item is told as a gap', () => {
  const folder = temporaryFolder();
  const file = filled(folder);
  const before = opened(file);
  const items = before.ops.state().lanes.reduce((sum, lane) => sum + lane.items, 0);
  const page = before.db.prepare("SELECT pageno FROM dbstat WHERE name = 'outbox' AND pagetype = 'leaf' LIMIT 1").get()!
    .pageno as number;
  const size = before.db.prepare('PRAGMA page_size').get()!.page_size as number;
  before.db.close();
  const bytes = readFileSync(file);
  bytes.fill(0xff, (page - 1) * size, page * size);
  writeFileSync(file, bytes);
  const outcome = salvage(file, join(folder, 'new.db'), OPTIONS);
  expect(outcome.lostItems).toBeGreaterThan(0);
  expect(outcome.lostItems).toBeLessThan(items);
  const after = opened(join(folder, 'new.db'));
  const lanes = after.ops.state().lanes;
  expect(lanes.reduce((sum, lane) => sum + lane.items, 0)).toBe(items - outcome.lostItems);
  const gaps = after.ops.droppedRanges().filter(({ reason }) => reason === 'damaged');
  expect(gaps.reduce((sum, { count }) => sum + count, 0)).toBe(outcome.lostItems);
  expect(gaps.every(({ epoch }) => epoch === 'life1.run1')).toBe(true);
  checkAccounts(after);
});

test('a file that was cut short goes on under its life, with what it has left; the rest is told as a gap', () => {
  const folder = temporaryFolder();
  const file = filled(folder);
  const before = opened(file);
  const items = before.ops.state().lanes.reduce((sum, lane) => sum + lane.items, 0);
  before.db.close();
  truncateSync(file, Math.floor(statSync(file).size * 0.6));
  const outcome = salvage(file, join(folder, 'new.db'), OPTIONS);
  const after = opened(join(folder, 'new.db'));
  const kept = after.ops.state().lanes.reduce((sum, lane) => sum + lane.items, 0);
  expect(outcome).toMatchObject({ uncounted: false, lostItems: items - kept });
  expect(after.ops.state()).toMatchObject({ epoch: 'life1.later', deployments: [{ name: 'f' }] });
  const gaps = after.ops.droppedRanges().filter(({ reason }) => reason === 'damaged');
  expect(gaps.reduce((sum, { count }) => sum + count, 0)).toBe(outcome.lostItems);
  checkAccounts(after);
});

test('bytes flipped anywhere: there is a database that goes on, and its accounts are true', () => {
  const folder = temporaryFolder();
  const file = filled(folder);
  const sound = readFileSync(file);
  let round = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 400 }),
      (flips) => {
        const damaged = Uint8Array.from(sound);
        for (const [at, by] of flips) damaged[at]! ^= by;
        const path = join(folder, `flipped-${++round}.db`);
        writeFileSync(path, damaged);
        const to = join(folder, `new-${round}.db`);
        const outcome: Salvaged = salvage(path, to, OPTIONS);
        const after = opened(to);
        if (!outcome.uncounted) {
          const gaps = after.ops.droppedRanges().filter(({ reason }) => reason === 'damaged');
          expect(gaps.reduce((sum, { count }) => sum + count, 0)).toBe(outcome.lostItems);
        }
        checkAccounts(after);
        after.db.close();
      },
    ),
    {
      numRuns: 30,
      endOnFailure: true,
      examples: [
        // The position can be read, and is 7e21.
        [
          [
            [352_245, 3],
            [7_494, 4],
            [10, 17],
            [3, 144],
            [32_368, 251],
            [220_962, 5],
            [31_758, 235],
            [147_470, 220],
            [14_624, 16],
          ],
        ],
        [
          [
            [275_640, 4],
            [191_851, 166],
            [251_535, 194],
            [298_991, 3],
          ],
        ],
      ],
    },
  );
});

test.each([
  ['position', 7.4e21],
  ['position', 1_000_000],
  ['position', 'text'],
  ['position', null],
  ['position', -3],
  ['position', 2.5],
  ['step', 1e300],
  ['accepted', 'text'],
  ['clock-at', 1e300],
] as const)(
  'a small value that can be read and is none, %s %s, is damage: what was not passed yet is there',
  (key, value) => {
    const folder = temporaryFolder();
    const file = filled(folder);
    const damaged = new DatabaseSync(file);
    damaged.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value);
    damaged.close();
    const outcome = salvage(file, join(folder, 'new.db'), OPTIONS);
    expect(outcome).toMatchObject({ damaged: ['meta'], uncounted: true, lostItems: 0 });
    const after = opened(join(folder, 'new.db'));
    const position = after.db.prepare("SELECT value FROM meta WHERE key = 'position'").get()!.value as number;
    expect(after.ops.journalAfter(position, 1e9).groups.map(({ id }) => id)).toEqual([401, 402, 403, 404, 405]);
    checkAccounts(after);
  },
);

test('where the account of a lane is lost, numbers go on behind those of the runs that are known', () => {
  const folder = temporaryFolder();
  const file = join(folder, 'spool.db');
  for (const [run, step] of [
    ['run1', 1],
    ['run2', 2],
  ] as const) {
    const db = new DatabaseSync(file);
    const ops = open(db, { ...SPOOL_OPTIONS, life: 'life1', run });
    const { id } = ops.append(arrivalOf(numbered(step * 100, 20)));
    ops.commitStep(stepOf(step, { through: id, connected: true }));
    ops.acknowledge('live', step * 20);
    db.close();
  }
  const damaged = new DatabaseSync(file);
  damaged.exec('DELETE FROM lane');
  damaged.close();
  salvage(file, join(folder, 'new.db'), OPTIONS);
  const after = opened(join(folder, 'new.db'));
  for (let step = 3; step < 63; step++) {
    const { id } = after.ops.append(arrivalOf(numbered(step * 100, 1)));
    after.ops.commitStep(stepOf(step, { through: id, connected: true }));
  }
  const runs = after.db.prepare("SELECT seq, epoch FROM run WHERE lane = 'live' ORDER BY seq").all();
  expect(runs.slice(-2)).toEqual([
    { seq: 20, epoch: 'life1.run2' },
    { seq: 21, epoch: 'life1.later' },
  ]);
  expect(after.ops.state().lanes.find(({ lane }) => lane === 'live')).toMatchObject({ items: 60 });
});

test('where the account of a lane is lost, what may have been sent keeps its numbers: under others the hub would store it twice', () => {
  const folder = temporaryFolder();
  const file = join(folder, 'spool.db');
  const outbox = outboxLimits({ backfill: { policy: 'downsample', rowsMax: 100 } });
  const pass = (ops: Opened['ops'], from: number, count: number) => {
    for (let n = from; n < from + count; n++) {
      const { id } = ops.append(arrivalOf(numbered(n, 1)));
      ops.commitStep(stepOf(ops.state().step + 1, { through: id, connected: false }));
    }
  };
  const before = new DatabaseSync(file);
  before.exec('BEGIN');
  const ops = open(before, { ...SPOOL_OPTIONS, outbox });
  pass(ops, 0, 50);
  ops.nextBatches(START, ROOM, NOW);
  before.exec('DELETE FROM lane; COMMIT');
  before.close();
  salvage(file, join(folder, 'new.db'), OPTIONS);
  const db = new DatabaseSync(join(folder, 'new.db'));
  db.exec('BEGIN');
  const after = open(db, { ...SPOOL_OPTIONS, outbox, run: 'later' });
  pass(after, 50, 80);
  const [first] = after.nextBatches(START, ROOM, NOW);
  const batch = sentBatch(first!.payload);
  expect(batch).toMatchObject({ seq: 0, count: 50, epoch: 'life1.run1' });
  expect(batch.generation).toBeUndefined();
});

test('the version of a file is not taken over: what it is brought into is of this one', () => {
  const folder = temporaryFolder();
  const file = filled(folder);
  const damaged = new DatabaseSync(file);
  damaged.exec("UPDATE meta SET value = 66 WHERE key = 'version'");
  damaged.close();
  expect(salvage(file, join(folder, 'new.db'), OPTIONS).damaged).toEqual([]);
  checkAccounts(opened(join(folder, 'new.db')));
});

test('nothing to be read at all: a new life begins', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'spool.db'), new Uint8Array(100_000).fill(7));
  const outcome = salvage(join(folder, 'spool.db'), join(folder, 'new.db'), OPTIONS);
  expect(outcome.uncounted).toBe(true);
  const { ops } = opened(join(folder, 'new.db'));
  expect(ops.state()).toMatchObject({ epoch: 'newlife.later', position: 0, lanes: LANES.map(() => ({ nextSeq: 0 })) });
});

test('when time is up the rest of the readings is counted as lost', () => {
  const folder = temporaryFolder();
  const file = filled(folder);
  const outcome = salvage(file, join(folder, 'new.db'), { ...OPTIONS, hasTime: () => false });
  expect(outcome).toMatchObject({ uncounted: false, damaged: ['outbox', 'journal'] });
  expect(outcome.lostItems).toBeGreaterThan(1_000);
  const after = opened(join(folder, 'new.db'));
  const gaps = after.ops.droppedRanges().map(({ count }) => count);
  expect(gaps.reduce((sum, count) => sum + count, 0)).toBe(outcome.lostItems);
  checkAccounts(after);
});

/** Damaged files that are kept. */
const quarantined = (folder: string) => readdirSync(folder).filter((name) => /damaged-\d/.test(name));

test('a damaged file is put aside under its time; of many, the newest within the bounds stay', () => {
  const folder = temporaryFolder();
  const file = join(folder, 'spool.db');
  for (let n = 0; n < 4; n++) {
    filled(folder);
    const quarantine = new Quarantine(file, { filesMax: 2, bytesMax: 1e9 });
    quarantine.begin();
    expect(existsSync(file)).toBe(false);
    const { outcome } = quarantine.finish((from, to) => salvage(from, to, OPTIONS), NOW + n * 1_000);
    expect(outcome?.lostItems).toBe(0);
    expect(existsSync(file)).toBe(true);
  }
  expect(quarantined(folder)).toEqual(['spool.db.damaged-20231114T221322Z', 'spool.db.damaged-20231114T221323Z']);
  const small = new Quarantine(file, { filesMax: 2, bytesMax: 10 });
  filled(folder);
  small.begin();
  small.finish((from, to) => salvage(from, to, OPTIONS), NOW + 9_000);
  expect(quarantined(folder)).toEqual([]);
});

test('power lost between any two steps: the next start goes on, and at the third attempt without the damaged file', () => {
  const folder = temporaryFolder();
  const file = filled(folder);
  const bytes = statSync(file).size;
  const limits = { filesMax: 2, bytesMax: 1e9 };
  new Quarantine(file, limits).begin();
  const tried: (string | undefined)[] = [];
  const dying = (from: string | undefined) => {
    tried.push(from && basename(from));
    throw new Error('the power is gone');
  };
  for (let n = 0; n < 2; n++) {
    const again = new Quarantine(file, limits);
    expect(again.isUnderWay).toBe(true);
    expect(() => again.finish(dying, NOW)).toThrow('the power is gone');
  }
  new Quarantine(file, limits).finish((from, to) => {
    tried.push(from && basename(from));
    return salvage(from, to, OPTIONS);
  }, NOW);
  expect(tried).toEqual(['spool.db.damaged', 'spool.db.damaged', undefined]);
  expect(new Quarantine(file, limits)).toMatchObject({ isUnderWay: false });
  expect(new Quarantine(file, limits).kept()[0]!.bytes).toBe(bytes);
});

test('a disk that is full says nothing of the damaged file: it is waited for, without what would take room meanwhile; one that has no room for both does', () => {
  const folder = temporaryFolder();
  const file = join(folder, 'spool.db');
  const limits = { filesMax: 2, bytesMax: 1e9 };
  for (let n = 0; n < 2; n++) {
    filled(folder);
    new Quarantine(file, limits).begin();
    if (n === 0) new Quarantine(file, limits).finish((from, to) => salvage(from, to, OPTIONS), NOW);
  }
  expect(quarantined(folder)).toHaveLength(1);
  const attempt = (free: number) => {
    let isTried = false;
    const full = (from: string | undefined, to: string) => {
      isTried = from !== undefined;
      writeFileSync(to, 'as far as it went');
      throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
    };
    expect(() => new Quarantine(file, limits, () => free).finish(full, NOW)).toThrow('full');
    return isTried;
  };
  for (let n = 0; n < 5; n++) {
    expect(attempt(63 * 2 ** 20)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['spool.db.damaged']);
  }
  expect([attempt(2 ** 30), attempt(2 ** 30), attempt(2 ** 30)]).toEqual([true, true, false]);
  attempt(0);
  const { outcome } = new Quarantine(file, limits).finish((from, to) => salvage(from, to, OPTIONS), NOW);
  expect(outcome).toMatchObject({ lostItems: 0, lostGroups: 0, uncounted: false });
});

test('where the page is gone that says which run numbered what, items keep their words: else what was sent is stored twice', () => {
  const folder = temporaryFolder();
  const file = filled(folder);
  const runsOf = (path: string) => {
    const db = new DatabaseSync(path);
    const rows = db.prepare('SELECT lane, seq, epoch FROM run ORDER BY lane, seq').all();
    const root = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'run'").get()!.rootpage as number;
    db.close();
    return { rows, root };
  };
  const before = runsOf(file);
  expect(before.rows.length).toBeGreaterThan(0);
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.fill(0, (before.root - 1) * 4_096, before.root * 4_096));
  const mended = join(folder, 'mended.db');
  expect(salvage(file, mended, OPTIONS).damaged).toEqual(['run']);
  expect(runsOf(mended).rows).toEqual(before.rows);
});
