import { type Json, type LogReport, parseReport, REPORT_BYTES_MAX } from '@weir/protocols';
import { beforeEach, expect, test } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { LogLeaseHolder } from './log-lease.ts';
import type { NumberedLine } from './log-lines.ts';

const MINUTE = 60_000;

let clock: TestClock;
let spool: HeldSpool;
let kept: NumberedLine[];
let holder: LogLeaseHolder;
let failures: string[];

beforeEach(() => {
  clock = new TestClock();
  spool = new HeldSpool({ batch: { itemsMax: 1_000, bytesMax: 100_000 } });
  kept = [];
  failures = [];
  const onFailure = (_what: string, error: Error) => void failures.push(error.message);
  holder = new LogLeaseHolder({ spool, clock, kept: () => kept, onReport: () => {}, onFailure });
});

const line = (n: number, fold = 'mean', text = `line ${n}`): NumberedLine => ({
  fold,
  level: 'info',
  text,
  ts: 1.5,
  n,
});
const grant = async (lease: object) => (await holder.grant(lease as Json)).reports as LogReport[] | undefined;

function told(): LogReport[] {
  const cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
  const room = { total: 50, others: 50, readings: 0, report: 50, backfill: 0 };
  return spool.ops.nextBatches(cursors, room, 0).flatMap(({ payload }) => {
    const batch = sentBatch(payload);
    return batch.kind === 'reports' ? (batch.reports as LogReport[]) : [];
  });
}

test('a lease begins with the lines that are kept of its functions, and says when these are all', async () => {
  kept = Array.from({ length: 250 }, (_, n) => line(n, n % 2 === 0 ? 'mean' : 'rms'));
  const reports = await grant({ lease: 'a', for: MINUTE, functions: ['mean'], kept: true });
  expect(reports!.flatMap(({ lines }) => lines.map(({ n }) => n))).toEqual(
    Array.from({ length: 125 }, (_, at) => at * 2),
  );
  expect(reports!.map(({ lease }) => lease)).toEqual([undefined, 'a']);
  expect(await grant({ lease: 'b', for: MINUTE, kept: false })).toBeUndefined();
  kept = [];
  expect(await grant({ lease: 'c', for: MINUTE, kept: true })).toMatchObject([{ lines: [], lease: 'c' }]);
});

test('lines are told while the lease lasts, those that come together in one report, and none without a lease', async () => {
  holder.take(line(0));
  await grant({ lease: 'a', for: MINUTE, functions: ['mean'], kept: false });
  for (const each of [line(1), line(2, 'rms'), line(3)]) holder.take(each);
  await clock.advance(1_000);
  expect(told().map(({ lines }) => lines.map(({ n }) => n))).toEqual([[1, 3]]);
  await clock.advance(MINUTE);
  holder.take(line(4));
  await clock.advance(1_000);
  expect(told().length).toBe(1);
});

test('a lease takes the place of the one before, and one of no time ends it', async () => {
  await grant({ lease: 'a', for: MINUTE, functions: ['mean'], kept: false });
  await grant({ lease: 'b', for: MINUTE, kept: false });
  holder.take(line(1, 'rms'));
  await clock.advance(1_000);
  await grant({ lease: 'c', for: 0, kept: false });
  holder.take(line(2, 'rms'));
  await clock.advance(1_000);
  expect(told().flatMap(({ lines }) => lines.map(({ n }) => n))).toEqual([1]);
});

test('any line makes a report that the hub takes', async () => {
  kept = Array.from({ length: 300 }, (_, n) => line(n, 'mean', '\u0000'.repeat(5_000)));
  const reports = await grant({ lease: 'a', for: MINUTE, kept: true });
  expect(reports!.length).toBeGreaterThan(50);
  for (const report of reports!) {
    const text = JSON.stringify(report);
    expect(text.length).toBeLessThan(REPORT_BYTES_MAX);
    expect(parseReport(text)).toHaveProperty('report');
  }
});

test('lines that cannot be kept for the hub are lost, which is told, and those after them arrive', async () => {
  await grant({ lease: 'a', for: MINUTE, kept: false });
  spool.failing.add('addReports');
  holder.take(line(1));
  await clock.advance(1_000);
  await settled();
  expect(failures).toEqual(['database or disk is full']);
  spool.failing.clear();
  holder.take(line(2));
  await clock.advance(1_000);
  expect(told().flatMap(({ lines }) => lines.map(({ n }) => n))).toEqual([2]);
});

test('what is no lease is refused', async () => {
  const answer = await holder.grant({ lease: 'a', for: 86_400_000, kept: true });
  expect(answer).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('for') });
});
