import { DatabaseSync } from 'node:sqlite';
import { type Lane, type Reading, readingsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { open } from '../spool/operations.ts';
import {
  alertOf,
  arrivalOf,
  openInMemory,
  outboxLimits,
  reportOf,
  SPOOL_OPTIONS,
  stepOf,
} from '../spool/spool.fixture.ts';
import { NamedItems } from './named-items.fixture.ts';
import type { LaneLimits } from './policies.ts';
import { sentBatch } from './sent.fixture.ts';

const START = { alert: 0, live: 0, report: 0, backfill: 0 };
const ROOM = { total: 1_000, others: 1_000, readings: 1_000, report: 1_000, backfill: 1_000 };
const BEGINNING = 1_700_000_040_000; // a full minute
const SECOND = 1_000;

type Ops = ReturnType<typeof openInMemory>;

/** An agent without a connection whose backlog has these limits. */
function offline(backfill: Partial<LaneLimits>, changes: { every?: number; everyMax?: number; report?: number } = {}) {
  const outbox = outboxLimits({ backfill, ...(changes.report && { report: { bytesMax: changes.report } }) });
  outbox.downsample = { every: changes.every ?? 60_000, everyMax: changes.everyMax ?? 240_000 };
  return openInMemory({ outbox });
}

/** A commit for each second from `from` on, with a reading of each metric. */
function pass(ops: Ops, from: number, seconds: number, metrics = ['m']): void {
  for (let second = from; second < from + seconds; second++) {
    const readings = metrics.map(
      (metric): Reading => ({ sensor: 's', metric, value: second, ts: BEGINNING + second * SECOND }),
    );
    const { id } = ops.append(arrivalOf(readings));
    ops.commitStep(stepOf(ops.state().step + 1, { through: id, connected: false, now: BEGINNING + second * SECOND }));
  }
}

function waiting(ops: Ops, metric = 'm'): number[] {
  return ops.nextBatches(START, ROOM, BEGINNING).flatMap(({ payload }) => {
    const batch = sentBatch(payload);
    if (batch.kind !== 'readings') return [];
    return [...readingsOf(batch.columns)].filter((each) => each.metric === metric).map(({ value }) => value as number);
  });
}

const laneOf = (ops: Ops, lane: Lane = 'backfill') => ops.state().lanes.find((account) => account.lane === lane)!;
const reasons = (ops: Ops) => [...new Set(ops.droppedRanges().map(({ reason }) => reason))];

test('downsample: the oldest are thinned out to one a minute first, and nothing of the course is dropped', () => {
  const ops = offline({ policy: 'downsample', rowsMax: 600 });
  pass(ops, 0, 700);
  expect(laneOf(ops).items).toBeLessThanOrEqual(600);
  expect(reasons(ops)).toEqual(['downsampled']);
  const values = waiting(ops);
  const [thin, fine] = [values.filter((value) => value < 500), values.filter((value) => value >= 500)];
  expect(thin).toEqual([0, 60, 120, 180, 240, 300, 360, 420, 480]);
  expect(fine).toEqual(Array.from({ length: 200 }, (_, at) => 500 + at));
});

test('thinned out readings travel in few batches, for their numbers follow one another', () => {
  const ops = offline({ policy: 'downsample', rowsMax: 600 });
  pass(ops, 0, 6_000);
  const batches = ops.nextBatches(START, ROOM, BEGINNING);
  expect(batches.length).toBeLessThanOrEqual(3);
  expect(batches[0]!.seq).toBe(0);
  expect(ops.droppedRanges().length).toBeLessThanOrEqual(3);
});

/** What is sent of each item, by epoch, generation and number. */
function sent(ops: Ops): Map<string, string> {
  const items = new Map<string, string>();
  for (const { payload } of ops.nextBatches(START, ROOM, BEGINNING)) {
    const batch = sentBatch(payload);
    if (batch.kind !== 'readings') continue;
    const { epoch, generation, seq, columns } = batch;
    for (const [at, { metric, value }] of [...readingsOf(columns)].entries())
      items.set(`${epoch}/${generation}/${seq + at}`, `${metric} ${value}`);
  }
  return items;
}

test.each<[string, Partial<LaneLimits>]>([
  ['downsample', { policy: 'downsample', rowsMax: 40 }],
  ['downsample of one metric', { metrics: [{ metric: 'vib', policy: 'downsample', every: 2_000 }], rowsMax: 60 }],
  ['keeping the oldest of one metric', { metrics: [{ metric: 'temp', policy: 'drop-newest' }], rowsMax: 60 }],
])(
  '%s: an old copy of the disk has no other item than what is sent later under the same number and generation',
  (_, limits) => {
    const begin = (seconds: number) => {
      const ops = offline(limits, { every: 2_000, everyMax: 16_000 });
      pass(ops, 0, seconds, ['vib', 'temp']);
      return sent(ops);
    };
    const copies = [20, 33, 47, 90, 150, 280].map(begin);
    expect([...copies.at(-1)!.keys()].some((key) => key.includes('/run1_'))).toBe(true);
    for (const [at, copy] of copies.entries()) {
      for (const later of copies.slice(at + 1)) {
        for (const [key, item] of copy) expect(later.get(key) ?? item, key).toBe(item);
      }
    }
  },
);

test.each<[string, Partial<LaneLimits>]>([
  ['downsample', { policy: 'downsample', rowsMax: 40 }],
  ['downsample, in rows of several readings', { policy: 'downsample', rowsMax: 200 }],
  ['downsample of one metric', { metrics: [{ metric: 'vib', policy: 'downsample', every: 2_000 }], rowsMax: 60 }],
  ['keeping the oldest of one metric', { metrics: [{ metric: 'temp', policy: 'drop-newest' }], rowsMax: 60 }],
])('%s: at no time has the disk another item under a number and generation than at another time', (_, backfill) => {
  const db = new DatabaseSync(':memory:');
  const outbox = outboxLimits({ backfill });
  outbox.downsample = { every: 2_000, everyMax: 16_000 };
  const ops = open(db, { ...SPOOL_OPTIONS, outbox });
  const named = new NamedItems(db);
  for (let second = 0; second < 700; second++) {
    pass(ops, second, 1, second % 3 === 0 ? ['vib', 'temp'] : ['vib', 'temp', `m${second % 7}`]);
    named.check();
  }
  expect(named.generations).toBeGreaterThan(2);
});

test('when all is thinned out and it is too much again, the resolution is halved, to its bound; then the oldest go', () => {
  const ops = offline({ policy: 'downsample', rowsMax: 30 }, { every: 2_000, everyMax: 8_000 });
  pass(ops, 0, 100);
  expect(reasons(ops)).toEqual(['downsampled']);
  expect(waiting(ops)[0]).toBe(0);
  pass(ops, 100, 900);
  const values = waiting(ops);
  expect(values[0]).toBeGreaterThan(0);
  expect(reasons(ops).sort()).toEqual(['downsampled', 'rows']);
  const steps = new Set(values.slice(1, -3).map((value, at) => value - values[at]!));
  expect(Math.max(...steps)).toBe(8);
});

test('only what the pattern names is thinned out', () => {
  const ops = offline({ metrics: [{ metric: 'vib*', policy: 'downsample', every: 10_000 }], rowsMax: 600 });
  pass(ops, 0, 400, ['level', 'vibration']);
  expect(reasons(ops)).toEqual(['downsampled']);
  expect(waiting(ops, 'level')).toEqual(Array.from({ length: 400 }, (_, at) => at));
  expect(waiting(ops, 'vibration').slice(0, 5)).toEqual([0, 10, 20, 30, 40]);
});

test('drop-newest: what is there stays, and what came is numbered and counted', () => {
  const ops = offline({ policy: 'drop-newest', rowsMax: 100 });
  pass(ops, 0, 250);
  expect(waiting(ops)).toEqual(Array.from({ length: 100 }, (_, at) => at));
  expect(laneOf(ops)).toMatchObject({ nextSeq: 250, items: 100, dropped: 150 });
  const at = (second: number) => BEGINNING + second * SECOND;
  expect(ops.droppedRanges()).toEqual([
    {
      ...{ lane: 'backfill', epoch: 'life1.run1', seq: 100, through: 250, count: 150, reason: 'newest', at: at(249) },
      ...{ from: at(100), to: at(249), told: false },
    },
  ]);
});

test('of a metric whose oldest are to stay nothing goes as long as others have something to give up', () => {
  const ops = offline({ metrics: [{ metric: 'energy', policy: 'drop-newest' }], rowsMax: 200 });
  pass(ops, 0, 180, ['energy', 'level']);
  expect(waiting(ops, 'energy')).toEqual(Array.from({ length: 180 }, (_, at) => at));
  expect(waiting(ops, 'level').every((value) => value >= 160)).toBe(true);

  const longer = offline({ metrics: [{ metric: 'energy', policy: 'drop-newest' }], rowsMax: 200 });
  pass(longer, 0, 280, ['energy', 'level']);
  expect(waiting(longer, 'energy')).toEqual(Array.from({ length: 200 }, (_, at) => at));
  expect(reasons(longer)).toEqual(['rows', 'newest']);
});

test('drop-newest: of what comes in one commit no more goes than must, and nothing that was there before it', () => {
  const metrics = [{ metric: 'energy', policy: 'drop-newest' as const }];
  const ops = offline({ rowsMax: 1_000, metrics });
  let value = 0;
  const append = (energy: number, others = 0) => {
    const readings = Array.from({ length: energy + others }, (_, at) => ({
      ...{ sensor: 's', ts: BEGINNING },
      ...(at < others ? { metric: 'm', value: 0 } : { metric: 'energy', value: value++ }),
    }));
    return ops.append(arrivalOf(readings)).id;
  };
  const commit = (through: number) =>
    ops.commitStep(stepOf(ops.state().step + 1, { through, connected: false, now: BEGINNING }));
  for (let row = 0; row < 99; row++) commit(append(10));
  commit(append(9, 1));
  expect(laneOf(ops)).toMatchObject({ items: 1_000, dropped: 0 });
  // Three rows of eight at once; one other reading that was there makes room for one of them.
  append(8);
  append(8);
  commit(append(8));
  expect(waiting(ops, 'm')).toEqual([]);
  expect(waiting(ops, 'energy')).toEqual(Array.from({ length: 999 }, (_, at) => at));
});

test('what may have been sent is never thinned out: its numbers are known outside', () => {
  const ops = offline({ policy: 'downsample', rowsMax: 100 });
  pass(ops, 0, 50);
  ops.nextBatches(START, ROOM, BEGINNING);
  pass(ops, 50, 200);
  expect(waiting(ops).slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, at) => at));
});

test('what the card has damaged is no obstacle: it is given up as that, and what is around it thinned out', () => {
  const db = new DatabaseSync(':memory:');
  const outbox = outboxLimits({ backfill: { policy: 'downsample', rowsMax: 100 } });
  const ops = open(db, { ...SPOOL_OPTIONS, outbox });
  pass(ops, 0, 100);
  db.exec('UPDATE journal SET bytes = substr(bytes, 1, length(bytes) - 3) WHERE id IN (1, 31)');
  pass(ops, 100, 1);
  expect(ops.droppedRanges().filter(({ reason }) => reason === 'damaged')).toMatchObject([
    { seq: 0, count: 1 },
    { seq: 30, count: 1 },
  ]);
  expect(waiting(ops).slice(0, 3)).toEqual([1, 31, 32]);
});

test('what may have been sent before a restart is known behind it', () => {
  const db = new DatabaseSync(':memory:');
  const start = (run: string) => {
    const outbox = outboxLimits({ backfill: { policy: 'downsample', rowsMax: 100 } });
    return open(db, { ...SPOOL_OPTIONS, outbox, run });
  };
  const first = start('run1');
  pass(first, 0, 50);
  first.nextBatches(START, ROOM, BEGINNING);
  const second = start('run2');
  pass(second, 50, 200);
  expect(waiting(second).slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, at) => at));
});

test('alerts and reports are there, whatever readings do, and are not thinned out', () => {
  const ops = offline({ policy: 'downsample', bytesMax: 3_000 });
  ops.commitStep(stepOf(1, { alerts: [alertOf(1), alertOf(2)], now: BEGINNING }));
  ops.addReports([reportOf(1)], BEGINNING);
  pass(ops, 0, 500);
  expect(laneOf(ops).bytes).toBeLessThanOrEqual(3_000);
  expect(laneOf(ops, 'alert')).toMatchObject({ items: 2, dropped: 0 });
  expect(laneOf(ops, 'report')).toMatchObject({ items: 1, dropped: 0 });
});

test('rows of a lane have a bound, too', () => {
  const ops = offline({ rowsMax: 70 });
  pass(ops, 0, 100);
  expect(laneOf(ops)).toMatchObject({ items: 70, dropped: 30 });
  expect(reasons(ops)).toEqual(['rows']);
});

/** The gaps that a hub is told of when it takes all reports. */
function toldGaps(ops: Ops) {
  return ops
    .nextBatches(START, { ...ROOM, readings: 0 }, BEGINNING)
    .map(({ payload }) => sentBatch(payload))
    .flatMap((batch) => (batch.kind === 'reports' ? batch.reports : []))
    .filter((report) => report.type === 'gap');
}

test('the hub is told once, of what did not grow since; the status goes on showing it', () => {
  const ops = offline({ rowsMax: 10 });
  pass(ops, 0, 15);
  expect(ops.tellGaps(BEGINNING + 20 * SECOND)).toBe(1);
  pass(ops, 15, 4);
  expect(ops.tellGaps(BEGINNING + 20 * SECOND)).toBe(1);
  expect(ops.tellGaps(BEGINNING + 20 * SECOND)).toBe(0);
  const time = (second: number) => BEGINNING + second * SECOND;
  const common = { type: 'gap', lane: 'backfill', epoch: 'life1.run1', reason: 'rows' };
  expect(toldGaps(ops)).toEqual([
    {
      ...common,
      ...{ id: 'backfill/life1.run1/0-5/rows', ts: time(14), seq: 0, through: 5, count: 5, from: time(0), to: time(4) },
    },
    {
      ...common,
      ...{ id: 'backfill/life1.run1/5-9/rows', ts: time(18), seq: 5, through: 9, count: 4, from: time(5), to: time(8) },
    },
  ]);
  expect(ops.droppedRanges().map(({ told }) => told)).toEqual([false, false]);
  ops.acknowledge('report', 1);
  expect(ops.droppedRanges().map(({ told }) => told)).toEqual([true, false]);
});

test('a flood of reports takes no place from those that tell of gaps, and is told of itself', () => {
  const ops = offline({ rowsMax: 10 }, { report: 4_000 });
  pass(ops, 0, 15);
  ops.tellGaps(BEGINNING);
  for (let n = 0; n < 200; n++) ops.addReports([reportOf(n)], BEGINNING);
  const report = laneOf(ops, 'report');
  expect(report.bytes).toBeLessThanOrEqual(4_000);
  expect(toldGaps(ops).map(({ lane, count }) => [lane, count])).toEqual([['backfill', 5]]);
  ops.acknowledge('report', report.nextSeq);
  ops.tellGaps(BEGINNING);
  const told = toldGaps(ops);
  expect(told.map(({ lane }) => lane)).toEqual(['report']);
  expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(report.dropped);
});

test('ranges that nobody was told of are joined when they are many: what is told is as exact in its count', () => {
  const ops = offline({ rowsMax: 1_000_000 }, {});
  const sizes = Array.from({ length: 300 }, (_, at) => 1 + (at % 7));
  // Every other report is too large for the hub: a gap for each.
  for (const size of sizes) ops.addReports([reportOf(size, 'x'.repeat(70_000)), reportOf(size)], BEGINNING);
  const ranges = ops.droppedRanges();
  expect(ranges.length).toBeLessThanOrEqual(200);
  expect(ranges.reduce((sum, { count }) => sum + count, 0)).toBe(300);
  expect(ranges.every(({ seq, through, count }) => count <= through - seq)).toBe(true);
  expect(laneOf(ops, 'report')).toMatchObject({ dropped: 300, items: 300 });
});

test('a gap report that the card has damaged is told again', () => {
  const db = new DatabaseSync(':memory:');
  const ops = open(db, { ...SPOOL_OPTIONS, outbox: outboxLimits({ backfill: { rowsMax: 10 } }) });
  pass(ops, 0, 15);
  ops.tellGaps(BEGINNING);
  const [told] = toldGaps(ops);
  db.exec("UPDATE outbox SET payload = x'7b' WHERE lane = 'report'");
  expect(toldGaps(ops)).toEqual([]);
  ops.tellGaps(BEGINNING);
  expect(toldGaps(ops)).toContainEqual(told);
  expect(ops.droppedRanges().map(({ lane, reason, count }) => [lane, reason, count])).toEqual([
    ['backfill', 'rows', 5],
    ['report', 'damaged', 1],
  ]);
});
