import { columnsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { defaultConfig } from '../config/config.ts';
import { alertOf, openInMemory, reportOf, stepOf } from '../spool/spool.fixture.ts';
import type { Spool } from '../spool/spool.ts';
import { LIMITS, World } from '../uplink/world.fixture.ts';
import { BufferWatch, formatBuffer } from './buffer.ts';
import { LaneRates } from './lane-rates.ts';

const NOW = 1_700_000_100_000;

function pass(ops: ReturnType<typeof openInMemory>, values: number[], ts: number, connected = false): void {
  const columns = columnsOf(values.map((value, i) => ({ sensor: 's', metric: 'm', value, ts: ts + i * 1_000 })));
  const { id } = ops.append({ columns, receivedAt: ts, future: 0, refused: undefined });
  ops.commitStep(stepOf(ops.state().step + 1, { through: id, connected, now: ts }));
}

function watch(ops: ReturnType<typeof openInMemory>, clock: TestClock, uplink?: World) {
  const call = async (name: keyof typeof ops, ...args: unknown[]) =>
    (ops[name] as (...args: unknown[]) => unknown)(...args);
  const spool = { call, close: async () => {} } as unknown as Spool;
  const buffer = new BufferWatch({
    ...{ device: 'gw1', spool, clock, config: defaultConfig(), startedAt: NOW - 60_000, meter: undefined },
    uplink: () => uplink && { state: uplink.state, since: NOW - 5_000, limits: LIMITS },
  });
  return buffer;
}

test('each lane is told with what waits, since when it happened, what it may hold, and how fast it fills and empties', async () => {
  const ops = openInMemory();
  const clock = new TestClock(NOW);
  pass(ops, [1, 2, 3], NOW - 90_000);
  pass(ops, [4, 5], NOW - 30_000);
  ops.commitStep(stepOf(ops.state().step + 1, { alerts: [alertOf(1)], now: NOW }));
  ops.addReports([reportOf(1), reportOf(2)], NOW);
  const buffer = watch(ops, clock);
  await buffer.report();
  await clock.advance(10_000);
  ops.acknowledge('backfill', 2);
  const { lanes, uplink } = await buffer.report();
  expect(uplink).toMatchObject({ state: 'off', since: NOW - 60_000 });
  expect(lanes.map(({ lane, items, rows }) => [lane, items, rows])).toEqual([
    ['alert', 1, 1],
    ['live', 0, 0],
    ['report', 2, 2],
    ['backfill', 3, 2],
  ]);
  const backfill = lanes.at(-1)!;
  expect(backfill).toMatchObject({
    oldestTs: NOW - 90_000,
    newestTs: NOW - 29_000,
    inPerS: 0,
    outPerS: 0.2,
    drainS: 15,
  });
  expect(backfill.bytesMax).toBe(256 * 1024 * 1024);
  expect(lanes[1]).not.toHaveProperty('drainS');
});

test('what the uplink does is told for people, and what was dropped', async () => {
  const ops = openInMemory();
  const clock = new TestClock(NOW);
  pass(ops, [1, 2, 3], NOW - 200_000);
  const world = new World();
  world.handle({ type: 'start' });
  const shown = async () => formatBuffer(await watch(ops, clock, world).report());
  expect(await shown()).toContain('uplink  down, connects, for 5 s');
  world.opened();
  world.add('backfill', 3);
  while (world.loads.length > 0) world.answer();
  expect(await shown()).toMatch(/uplink {2}up, for 5 s\n {8}2 batches with 120 B on their way/);
  world.lose(1);
  const text = await shown();
  expect(text).toContain('uplink  down, waits before the next attempt, for 5 s: lost');
  expect(text).toMatch(/backfill {2}3 {8}1 .* 256 MiB .*3 min ago .* not as it is/);
});

test('a lane through which all goes as it comes keeps up, and one that gets no shorter says so', async () => {
  const ops = openInMemory();
  const report = await watch(ops, new TestClock(NOW), new World()).report();
  const shown = (items: number, rate: { inPerS: number; outPerS: number }) => {
    const lanes = report.lanes.map((lane) => (lane.lane === 'live' ? { ...lane, items, ...rate } : lane));
    return formatBuffer({ ...report, lanes }).match(/^live .*$/m)?.[0];
  };
  expect(shown(2, { inPerS: 14, outPerS: 14 })).toMatch(/ keeps up /);
  expect(shown(71, { inPerS: 14, outPerS: 14 })).toMatch(/ not as it is /);
  expect(shown(2, { inPerS: 0.1, outPerS: 0 })).toMatch(/ not as it is /);
});

test('rates are those of the last minute, and what was dropped was not delivered', () => {
  const rates = new LaneRates();
  const account = { lane: 'live', bytes: 0, acked: 0, oldestAt: undefined } as const;
  rates.take([{ ...account, nextSeq: 0, items: 0, dropped: 0 }], 0);
  expect(rates.of('live')).toEqual({ inPerS: 0, outPerS: 0 });
  rates.take([{ ...account, nextSeq: 100, items: 50, dropped: 10 }], 10_000);
  expect(rates.of('live')).toEqual({ inPerS: 10, outPerS: 4 });
  rates.take([{ ...account, nextSeq: 100, items: 50, dropped: 10 }], 70_001);
  expect(rates.of('live')).toEqual({ inPerS: 0, outPerS: 0 });
});
