import { readingsOf } from '@weir/protocols';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import type { JournalGroup } from '../journal/journal.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { numbered } from '../spool/spool.fixture.ts';
import { type ArrivalLimits, Arrivals } from './arrivals.ts';

function arrivals(changes: Partial<ArrivalLimits> = {}) {
  const spool = new HeldSpool();
  const clock = new TestClock();
  const groups: JournalGroup[] = [];
  const pressure: boolean[] = [];
  const arrivals = new Arrivals(
    {
      spool,
      clock,
      onDurable: (group) => groups.push(group),
      onPressure: (held) => pressure.push(held),
      onFailure: () => {},
    },
    { groupReadingsMax: 100, groupDelay: 2, waitingReadingsMax: 1_000, journalBytesMax: 1e9, ...changes },
    0,
  );
  return { spool, clock, groups, pressure, arrivals };
}

test('any mix of messages: answered in order of arrival, each after its group, readings whole and in order', async () => {
  const message = fc.oneof(
    fc.record({ kind: fc.constant('readings' as const), count: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ kind: fc.constant('refused' as const), count: fc.constant(0) }),
    fc.record({ kind: fc.constant('pause' as const), count: fc.constant(0) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 40 }), async (messages) => {
      const { clock, groups, arrivals: taken, spool } = arrivals({ groupReadingsMax: 20 });
      const answered: number[] = [];
      let from = 0;
      for (const [at, { kind, count }] of messages.entries()) {
        if (kind === 'pause') await settled();
        else if (kind === 'readings') taken.add(numbered(from, count), () => answered.push(at));
        else taken.refuse({ topic: 't', reason: 'empty', detail: '' }, new Uint8Array(), () => answered.push(at));
        from += count;
      }
      await clock.advance(100);
      await taken.drain();
      expect(answered).toEqual([...messages.keys()].filter((at) => messages[at]!.kind !== 'pause'));
      const values = groups.flatMap(({ columns }) => [...readingsOf(columns)].map(({ value }) => value));
      expect(values).toEqual(Array.from({ length: from }, (_, at) => at));
      expect(spool.ops.counts().accepted).toBe(from);
      expect(taken.waiting).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test('messages that come together share a group; while one is committed the next fills', async () => {
  const { spool, clock, groups, arrivals: taken } = arrivals();
  spool.held.add('append');
  for (let i = 0; i < 5; i++) taken.add(numbered(i, 1));
  await settled();
  for (let i = 5; i < 12; i++) taken.add(numbered(i, 1));
  await clock.advance(2);
  spool.release();
  await settled();
  expect(groups.map(({ columns }) => columns.index.length)).toEqual([5, 7]);
});

test('however much comes while the disk stands still, in however many series: each row can be read again', async () => {
  const {
    spool,
    clock,
    groups,
    arrivals: taken,
  } = arrivals({ waitingReadingsMax: 1_000_000, groupReadingsMax: 1_000 });
  const message = (from: number, count: number) =>
    Array.from({ length: count }, (_, at) => ({ sensor: `s${from + at}`, metric: 'm', value: from + at, ts: 0 }));
  let answered = 0;
  const sizes = [1, 1, 1, 1, 9_999, 50_000, 1, 8_000];
  let total = 0;
  spool.held.add('append');
  for (const size of sizes) {
    taken.add(message(total, size), (error) => error ?? answered++);
    total += size;
    await settled();
  }
  spool.held.clear();
  while (taken.waiting > 0) {
    spool.release();
    await clock.advance(10);
  }
  expect(answered).toBe(sizes.length);
  const read = spool.ops.journalAfter(0, Number.POSITIVE_INFINITY).groups;
  expect(read.flatMap(({ columns }) => [...columns.values])).toEqual(Array.from({ length: total }, (_, at) => at));
  expect(spool.ops.counts().refused).toEqual({});
  expect(groups.map(({ id }) => id)).toEqual(read.map(({ id }) => id));
});

test('a journal at its bound stops the acknowledgements, and nothing is lost', async () => {
  const { spool, groups, pressure, arrivals: taken } = arrivals({ journalBytesMax: 200 });
  let answered = 0;
  for (let i = 0; i < 50; i++) {
    taken.add(numbered(i * 10, 10), () => answered++);
    await settled();
  }
  expect(pressure).toEqual([true]);
  expect(answered).toBeLessThan(50);
  expect(spool.ops.counts().accepted).toBe(answered * 10);
  for (let passed = 0; answered < 50; ) {
    for (const { bytes } of groups.slice(passed)) taken.passed(bytes);
    passed = groups.length;
    await settled();
  }
  expect(pressure.at(-1)).toBe(false);
  expect(spool.ops.counts().accepted).toBe(500);
});

test('connections that are refused are counted, and displace no payload that someone wants to look at', async () => {
  const { spool, clock, arrivals: taken } = arrivals();
  taken.refuse({ topic: 'plant/oven1', reason: 'invalid-json', detail: 'd' }, Buffer.from('hot'));
  for (let i = 0; i < 2_000; i++) {
    taken.refuseConnection('login-failed');
    if (i % 100 === 0) await clock.advance(10);
  }
  await taken.drain();
  expect(spool.ops.counts().refused).toEqual({ 'login-failed': 2_000, 'invalid-json': 1 });
  expect(spool.ops.lastRefused(1_000)).toMatchObject([{ reason: 'invalid-json', topic: 'plant/oven1' }]);
  expect(taken.waiting).toBe(0);
});

test('a reason is counted whatever other code has left on the prototype of objects', async () => {
  const { spool, clock, arrivals: taken } = arrivals();
  const prototype = Object.prototype as { strange?: number };
  prototype.strange = 7;
  onTestFinished(() => void delete prototype.strange);
  taken.refuseConnection('constructor');
  taken.refuseConnection('strange');
  await clock.advance(10);
  await taken.drain();
  delete prototype.strange;
  expect(spool.ops.counts().refused).toEqual({ constructor: 1, strange: 1 });
  expect(taken.waiting).toBe(0);
});

test('readings ahead of the clock are taken and counted: one of two clocks is wrong, and someone must be told', async () => {
  const { spool, clock, arrivals: taken } = arrivals();
  const at = (aheadMs: number) => ({ sensor: 's', metric: 'm', value: 1, ts: clock.now() + aheadMs });
  taken.add([at(0), at(10_000), at(10_001)]);
  taken.add([at(-86_400_000), at(86_400_000)]);
  await clock.advance(10);
  taken.add([at(0)]);
  await taken.drain();
  expect(spool.ops.counts()).toMatchObject({ accepted: 6, futureReadings: 2 });
});

test('a flood of refusals is counted whole and copied in part', async () => {
  const { spool, clock, arrivals: taken } = arrivals();
  for (let i = 0; i < 500; i++) taken.refuse({ topic: 't', reason: 'empty', detail: '' }, new Uint8Array(5_000));
  await clock.advance(10);
  await taken.drain();
  expect(spool.ops.counts().refused).toEqual({ empty: 500 });
  const kept = spool.ops.lastRefused(1_000);
  expect(kept.length).toBeLessThan(100);
  expect(kept[0]!.head.length).toBe(256);
});
