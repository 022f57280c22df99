/** A lane that is far over its bound all at once: the configuration was changed, or the device was off for longer than the age. */
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { open, type SpoolOperations } from '../spool/operations.ts';
import { arrivalOf, numbered, outboxLimits, SPOOL_OPTIONS, stepOf } from '../spool/spool.fixture.ts';
import type { LaneLimits } from './policies.ts';

const BEGINNING = 1_700_000_000_000;
const ROWS = 3_000;
/** What one commit may give up beside what it brings: it holds up sensors, and takes room in the log of the database. */
const GIVEN_UP_MAX = 1_000;
/** Rows that have room in the end, whichever bound it is. */
const LEFT_MAX = 350;

function opened(db: DatabaseSync, backfill: Partial<LaneLimits>, run: string): SpoolOperations {
  return open(db, { ...SPOOL_OPTIONS, run, outbox: outboxLimits({ backfill }) });
}

/** One more commit with one reading in a row of its own. */
function pass(ops: SpoolOperations, n: number, now = BEGINNING): void {
  const { id } = ops.append(arrivalOf(numbered(n, 1)));
  ops.commitStep(stepOf(ops.state().step + 1, { through: id, connected: false, now }));
}

const laneOf = (ops: SpoolOperations) => ops.lanes().find(({ lane }) => lane === 'backfill')!;
const givenUp = (ops: SpoolOperations) => ops.droppedRanges().reduce((sum, { count }) => sum + count, 0);

test.each<[string, Partial<LaneLimits>, number, string]>([
  ['bytes, drop-oldest', { bytesMax: 50_000 }, BEGINNING, 'bytes'],
  ['rows, drop-oldest', { rowsMax: 300 }, BEGINNING, 'rows'],
  ['rows, drop-newest', { rowsMax: 300, policy: 'drop-newest' }, BEGINNING, 'newest'],
  ['age', { ageMax: 1_000 }, BEGINNING + 60_000, 'age'],
])('over %s: what is too much goes some at a time, from commit to commit, and is counted', (_, limits, now, reason) => {
  const db = new DatabaseSync(':memory:');
  const before = opened(db, {}, 'run1');
  for (let n = 0; n < ROWS; n++) pass(before, n);

  const ops = opened(db, limits, 'run2');
  let last = laneOf(ops).items;
  for (let commits = 1; commits <= 4; commits++) {
    pass(ops, ROWS + commits, now);
    const { items, dropped, nextSeq } = laneOf(ops);
    expect(last + 1 - items).toBeLessThanOrEqual(GIVEN_UP_MAX);
    expect(items).toBeLessThanOrEqual(Math.max(last, LEFT_MAX));
    expect([items + dropped, givenUp(ops)]).toEqual([nextSeq, dropped]);
    last = items;
  }
  expect(last).toBeLessThanOrEqual(LEFT_MAX);
  expect([...new Set(ops.droppedRanges().map((range) => range.reason))]).toEqual([reason]);
});

test('what may be thinned out is, however much it is: nothing is dropped for being a lot', () => {
  const db = new DatabaseSync(':memory:');
  const before = opened(db, {}, 'run1');
  const rows = 30_000;
  for (let n = 0; n < rows; n++) pass(before, n);

  const ops = opened(db, { rowsMax: 10_000, policy: 'downsample' }, 'run2');
  let last = laneOf(ops).items;
  for (let commits = 1; commits <= 3; commits++) {
    pass(ops, rows + commits);
    expect(laneOf(ops).items).toBeLessThanOrEqual(Math.max(last, 10_000));
    last = laneOf(ops).items;
  }
  expect(last).toBeLessThanOrEqual(10_000);
  expect([...new Set(ops.droppedRanges().map(({ reason }) => reason))]).toEqual(['downsampled']);
});
