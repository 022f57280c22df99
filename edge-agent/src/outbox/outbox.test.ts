import { DatabaseSync } from 'node:sqlite';
import { type GapReason, type Lane, readingsOf } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { open } from '../spool/operations.ts';
import {
  alertOf,
  arrivalOf,
  numbered,
  openInMemory,
  outboxLimits,
  reportOf,
  SPOOL_OPTIONS,
  stepOf,
} from '../spool/spool.fixture.ts';
import type { Cursors, UplinkBatch } from './batches.ts';
import { sentBatch } from './sent.fixture.ts';

const START: Cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
const ROOM = { total: 16, others: 16, readings: 16, report: 16, backfill: 16 };
const NOW = 1_700_000_000_000;

type Ops = ReturnType<typeof openInMemory>;

/** Journals groups of these sizes and lets the functions pass each in a step of its own. */
function pass(ops: Ops, sizes: number[], { connected = true, from = 0, now = NOW } = {}): void {
  for (const size of sizes) {
    const { id } = ops.append(arrivalOf(numbered(from, size)));
    from += size;
    ops.commitStep(stepOf(ops.state().step + 1, { through: id, connected, now }));
  }
}

function valuesOf({ payload }: UplinkBatch): number[] {
  const batch = sentBatch(payload);
  if (batch.kind !== 'readings') throw new Error('readings wanted');
  return [...readingsOf(batch.columns)].map(({ value }) => value as number);
}

/** Of the values `from` to `to`, where it is known which. */
function rangeOf(lane: Lane, seq: number, count: number, reason: GapReason, at: number, [from, to]: number[] = []) {
  const time = (value: number | undefined) => (value === undefined ? null : NOW + value);
  const range = { lane, epoch: 'life1.run1', seq, through: seq + count, count, at, reason };
  return { ...range, from: time(from), to: time(to), told: false };
}

const laneOf = (ops: Ops, lane: Lane) => ops.state().lanes.find((account) => account.lane === lane)!;

test('readings leave in order, numbered without holes, whatever the groups they came in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 50 }),
      (sizes, itemsMax) => {
        const ops = openInMemory({ batch: { itemsMax, bytesMax: 100_000 } });
        pass(ops, sizes);
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const values: number[] = [];
        for (let cursors = START; ; ) {
          const [batch] = ops.nextBatches(cursors, { ...ROOM, total: 1 }, NOW);
          if (batch === undefined) break;
          expect(sentBatch(batch.payload)).toMatchObject({
            epoch: 'life1.run1',
            seq: values.length,
            count: batch.count,
          });
          expect(batch.seq).toBe(values.length);
          expect(batch.count).toBeLessThanOrEqual(itemsMax);
          values.push(...valuesOf(batch));
          cursors = { ...cursors, live: batch.seq + batch.count };
        }
        expect(values).toEqual(Array.from({ length: total }, (_, at) => at));
      },
    ),
  );
});

test('rows of more series than a batch can have are not joined', () => {
  const ops = openInMemory({ batch: { itemsMax: 65_536, bytesMax: 100_000_000 } });
  const row = (from: number) =>
    Array.from({ length: 40_000 }, (_, i) => ({ sensor: `s${from + i}`, metric: 'm', value: i, ts: NOW }));
  for (const from of [0, 40_000]) {
    const { id } = ops.append(arrivalOf(row(from)));
    ops.commitStep(stepOf(ops.state().step + 1, { through: id, connected: true, now: NOW }));
  }
  const batches = ops.nextBatches(START, ROOM, NOW);
  expect(batches.map(({ seq, count }) => [seq, count])).toEqual([
    [0, 40_000],
    [40_000, 40_000],
  ]);
});

test('a payload stays under its bound: a batch that is too large is cut in two', () => {
  const ops = openInMemory({ batch: { itemsMax: 5_000, bytesMax: 2_000 } });
  pass(ops, [1_000]);
  const [first] = ops.nextBatches(START, ROOM, NOW);
  expect(first!.payload.length).toBeLessThanOrEqual(2_000);
  expect(first!.count).toBeGreaterThan(100);
});

test('nothing leaves the outbox or the journal before it is acknowledged', () => {
  const ops = openInMemory();
  pass(ops, [10, 10, 10]);
  expect(laneOf(ops, 'live')).toMatchObject({ items: 30, acked: 0, nextSeq: 30 });
  ops.acknowledge('live', 15);
  const [rest] = ops.nextBatches(START, ROOM, NOW);
  expect(rest!.seq).toBe(15);
  expect(valuesOf(rest!)).toEqual(Array.from({ length: 15 }, (_, at) => 15 + at));
  ops.acknowledge('live', 30);
  expect(ops.nextBatches(START, ROOM, NOW)).toEqual([]);
  expect(laneOf(ops, 'live')).toMatchObject({ items: 0, bytes: 0, acked: 30, nextSeq: 30, dropped: 0 });
  expect(ops.journalAfter(0, 100).groups).toEqual([]);
});

test('an acknowledgement that comes twice, or late, changes nothing', () => {
  const ops = openInMemory();
  pass(ops, [10]);
  ops.acknowledge('live', 10);
  ops.acknowledge('live', 4);
  ops.acknowledge('live', 10);
  expect(laneOf(ops, 'live')).toMatchObject({ items: 0, bytes: 0, acked: 10 });
});

test('alerts come before fresh readings, these before reports, and these before the backlog', () => {
  const ops = openInMemory();
  pass(ops, [5], { connected: false });
  pass(ops, [5], { connected: true, from: 5 });
  ops.commitStep(stepOf(3, { alerts: [alertOf(1), alertOf(2)], reports: [reportOf(1)] }));
  const batches = ops.nextBatches(START, ROOM, NOW);
  expect(batches.map(({ lane, count }) => [lane, count])).toEqual([
    ['alert', 2],
    ['live', 5],
    ['report', 1],
    ['backfill', 5],
  ]);
  expect(sentBatch(batches[0]!.payload)).toMatchObject({ kind: 'alerts', alerts: [alertOf(1), alertOf(2)] });
  expect(sentBatch(batches[2]!.payload)).toMatchObject({ kind: 'reports', reports: [reportOf(1)] });
});

test('no more batches are handed out than there is room for, of any lane', () => {
  const ops = openInMemory({ batch: { itemsMax: 1, bytesMax: 100_000 } });
  pass(ops, [9], { connected: false });
  pass(ops, [9], { connected: true });
  ops.commitStep(stepOf(3, { alerts: [1, 2, 3].map(alertOf), reports: [1, 2, 3].map((n) => reportOf(n)) }));
  const lanes = (total: number, others: number, readings: number, report: number, backfill: number) =>
    ops
      .nextBatches(START, { total, others, readings, report, backfill }, NOW)
      .map(({ lane }) => lane[0])
      .join('');
  expect(lanes(2, 1, 0, 2, 1)).toBe('aa');
  expect(lanes(8, 7, 6, 2, 2)).toBe('aaalllll');
  expect(lanes(6, 5, 2, 1, 2)).toBe('aaallr');
  expect(lanes(16, 15, 14, 2, 2)).toBe('aaalllllllllrrbb');
  expect(lanes(16, 10, 9, 1, 2)).toBe('aaalllllllllr');
  expect(lanes(16, 15, 10, 9, 9)).toBe('aaalllllllllrrrb');
  expect(lanes(1, 0, 0, 1, 2)).toBe('a');
});

test('a batch has no more bytes than the line takes at once, whatever the rows are; nothing is left out or sent twice', () => {
  const cases: [rows: number[], batchBytes: number][] = [
    [Array<number>(300).fill(2), 700],
    [[500, 400], 700],
    [[500, 400], 300],
  ];
  for (const [rows, batchBytes] of cases) {
    const ops = openInMemory();
    pass(ops, rows, { connected: false });
    const cursors = { ...START };
    let batches = 0;
    for (;;) {
      const [batch] = ops.nextBatches(cursors, { ...ROOM, backfill: 1, batchBytes }, NOW);
      if (batch === undefined) break;
      expect(batch.payload.length).toBeLessThanOrEqual(batchBytes * 1.5);
      expect(batch.seq).toBe(cursors.backfill);
      cursors.backfill += batch.count;
      batches++;
    }
    expect(cursors.backfill).toBe(rows.reduce((sum, count) => sum + count, 0));
    // Not a batch for each row.
    expect(batches).toBeLessThan(40);
  }
});

test('of the backlog no more items are handed out than may be sent now', () => {
  const ops = openInMemory();
  pass(ops, [50, 50], { connected: false });
  const counts = (backfillItems: number) =>
    ops.nextBatches(START, { ...ROOM, backfill: 3, backfillItems }, NOW).map(({ count }) => count);
  expect([counts(0), counts(7), counts(70), counts(700)]).toEqual([[], [7], [70], [100]]);
});

test('what is found goes at once, where nothing of the backlog is to be cut beside it', () => {
  const ops = openInMemory();
  pass(ops, [5], { connected: false });
  pass(ops, [5], { connected: true, from: 5 });
  const lanes = (live: number) =>
    ops.nextBatches({ ...START, live }, { ...ROOM, backfillAlone: true }, NOW).map(({ lane }) => lane);
  expect([lanes(0), lanes(5)]).toEqual([['live'], ['backfill']]);
});

test('of the backlog no more rows are read for a batch than may be, however little is in them', () => {
  const ops = openInMemory();
  pass(ops, Array<number>(50).fill(3), { connected: false });
  const cursors = { ...START };
  const counts: number[] = [];
  for (;;) {
    const [batch] = ops.nextBatches(cursors, { ...ROOM, backfill: 1, backfillRows: 20 }, NOW);
    if (batch === undefined) break;
    counts.push(batch.count);
    cursors.backfill += batch.count;
  }
  expect(counts).toEqual([60, 60, 30]);
});

test('a live lane that is long gets no more: what comes goes to the backlog', () => {
  const ops = openInMemory({ outbox: { ...SPOOL_OPTIONS.outbox, liveBytesMax: 500 } });
  pass(ops, [50, 50, 50, 50]);
  expect(laneOf(ops, 'live').items).toBeGreaterThan(0);
  expect(laneOf(ops, 'backfill').items).toBe(200 - laneOf(ops, 'live').items);
});

describe('at its bound the oldest are dropped', () => {
  const bytesMax = 2_000;
  const outbox = outboxLimits({ live: { bytesMax }, backfill: { bytesMax } });

  test('counted exactly: what was dropped and what is left make up what was numbered', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 }),
        fc.nat(300),
        (sizes, ack) => {
          const ops = openInMemory({ outbox });
          const half = Math.ceil(sizes.length / 2);
          pass(ops, sizes.slice(0, half), { connected: false });
          const before = laneOf(ops, 'backfill');
          ops.acknowledge('backfill', Math.min(ack, before.nextSeq));
          const delivered = Math.max(0, Math.min(ack, before.nextSeq) - before.dropped);
          pass(ops, sizes.slice(half), { connected: false });
          const lane = laneOf(ops, 'backfill');
          expect(lane.bytes).toBeLessThanOrEqual(bytesMax);
          expect(delivered + lane.dropped + lane.items).toBe(lane.nextSeq);
          const ranges = ops.droppedRanges();
          expect(ranges.reduce((sum, { count }) => sum + count, 0)).toBe(lane.dropped);
          const [next] = ops.nextBatches(START, ROOM, NOW);
          if (lane.items > 0) expect(next!.seq).toBe(lane.acked);
        },
      ),
    );
  });

  test('alerts have a place of their own, which readings cannot take', () => {
    const ops = openInMemory({ outbox });
    ops.commitStep(stepOf(1, { alerts: [alertOf(1)] }));
    pass(
      ops,
      Array.from({ length: 50 }, () => 50),
      { connected: false },
    );
    expect(laneOf(ops, 'alert')).toMatchObject({ items: 1, dropped: 0 });
    expect(laneOf(ops, 'backfill').dropped).toBeGreaterThan(2_000);
  });

  test('reports have one too: neither can they take the place of readings', () => {
    const ops = openInMemory({ outbox: outboxLimits({ backfill: { bytesMax: 20_000 }, report: { bytesMax: 1_500 } }) });
    ops.addReports([reportOf(1)], NOW);
    const groups = Array.from({ length: 50 }, () => 50);
    pass(ops, groups, { connected: false });
    expect(laneOf(ops, 'report')).toMatchObject({ items: 1, dropped: 0 });
    const backlog = laneOf(ops, 'backfill');
    for (let n = 2; n <= 101; n++) ops.addReports([reportOf(n)], NOW);
    const reports = laneOf(ops, 'report');
    expect(reports.bytes).toBeLessThanOrEqual(1_500);
    expect(reports.items + reports.dropped).toBe(101);
    expect(laneOf(ops, 'backfill')).toEqual(backlog);
    const [batch] = ops.nextBatches(START, { ...ROOM, readings: 0 }, NOW);
    expect(sentBatch(batch!.payload)).toMatchObject({ kind: 'reports', seq: reports.dropped, count: reports.items });
  });

  test('of age too', () => {
    const ops = openInMemory({ outbox: outboxLimits({ backfill: { ageMax: 60_000 } }) });
    pass(ops, [3, 4], { connected: false });
    ops.commitStep(stepOf(3, { now: NOW + 60_001 }));
    expect(laneOf(ops, 'backfill')).toMatchObject({ items: 0, bytes: 0, dropped: 7 });
    expect(ops.droppedRanges()).toEqual([rangeOf('backfill', 0, 7, 'age', NOW + 60_001, [0, 6])]);
  });
});

test('a report larger than the hub takes is counted as dropped, and those around it go', () => {
  const ops = openInMemory();
  ops.addReports([reportOf(1), reportOf(2, 'x'.repeat(70_000)), reportOf(3)], NOW);
  expect(laneOf(ops, 'report')).toMatchObject({ items: 2, dropped: 1, nextSeq: 3 });
  expect(ops.droppedRanges()).toEqual([rangeOf('report', 1, 1, 'size', NOW)]);
  const [first, second] = ops.nextBatches(START, ROOM, NOW);
  expect([first, second].map((batch) => batch && [batch.seq, batch.count])).toEqual([
    [0, 1],
    [2, 1],
  ]);
  ops.acknowledge('report', 1);
  ops.acknowledge('report', 3);
  expect(laneOf(ops, 'report')).toMatchObject({ items: 0, bytes: 0, acked: 3 });
});

test('large reports are cut into batches that AWS takes, each report once', () => {
  const ops = openInMemory();
  for (let n = 0; n < 10; n++) ops.addReports([reportOf(n, 'x'.repeat(60_000))], NOW);
  const batches = ops.nextBatches(START, ROOM, NOW);
  expect(Math.max(...batches.map(({ payload }) => payload.length))).toBeLessThan(128_000);
  expect(batches.flatMap(({ seq, count }) => Array.from({ length: count }, (_, at) => seq + at))).toEqual([
    ...Array(10).keys(),
  ]);
});

test('what the card has damaged is given up and counted; what is behind it goes on', () => {
  const db = new DatabaseSync(':memory:');
  const ops = open(db, SPOOL_OPTIONS);
  pass(ops, [4, 5]);
  ops.append(arrivalOf(numbered(9, 6)));
  const { id } = ops.append(arrivalOf(numbered(15, 7)));
  db.exec('UPDATE journal SET bytes = substr(bytes, 1, length(bytes) - 3) WHERE id IN (1, 3)');
  const [batch] = ops.nextBatches(START, ROOM, NOW);
  expect(batch).toMatchObject({ seq: 4, count: 5 });
  expect(laneOf(ops, 'live')).toMatchObject({ items: 5, dropped: 4 });
  expect(ops.droppedRanges()).toEqual([rangeOf('live', 0, 4, 'damaged', NOW)]);
  expect(ops.journalAfter(2, 1).groups.map((group) => group.id)).toEqual([id]);
  expect(ops.counts().refused).toEqual({ 'journal-damaged': 6 });
  ops.acknowledge('live', 9);
  expect(laneOf(ops, 'live')).toMatchObject({ items: 0, bytes: 0 });
});

test('however much of it the card has damaged, what is behind is found by the same look', () => {
  const db = new DatabaseSync(':memory:');
  const ops = open(db, SPOOL_OPTIONS);
  const damaged = 1_200;
  pass(ops, [...new Array<number>(damaged).fill(1), 3]);
  db.prepare("UPDATE journal SET bytes = x'00' WHERE id <= ?").run(damaged);
  const batches = ops.nextBatches(START, ROOM, NOW);
  expect(batches.flatMap(valuesOf)).toEqual([1_200, 1_201, 1_202]);
  expect(laneOf(ops, 'live')).toMatchObject({ items: 3, dropped: damaged });
});
