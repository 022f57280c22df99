import type { GapReport } from '@weir/protocols';
import { beforeEach, expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { DeviceItems } from './device-items.ts';
import { createGaps, type Gap, type Gaps, gapsInRange } from './gaps.ts';

const HOUR = 3_600_000;

let store: Store;
let items: DeviceItems;
let gaps: Gaps;

beforeEach(() => {
  store = createMemoryStore();
  items = new DeviceItems('gw1', store);
  gaps = createGaps({ store, unexplainedAfterMs: HOUR });
});

async function commit(): Promise<void> {
  await store.write(items.changes());
  items.committed();
}

async function take(epoch: string, seq: number, through: number, at: number, lane = 'live'): Promise<void> {
  await items.take(lane, { epoch, seq, count: through - seq, at });
  await commit();
}

async function tell(epoch: string, seq: number, through: number, more: Partial<GapReport> = {}): Promise<void> {
  const report: GapReport = {
    ...{ type: 'gap', id: 'x', ts: 1, lane: 'live', epoch, seq, through, count: through - seq, reason: 'bytes' },
    ...more,
  };
  await items.tell(report, 5);
  await commit();
}

async function all(query: Partial<Parameters<Gaps['list']>[1]> = {}, limit = 100): Promise<Gap[]> {
  const found: Gap[] = [];
  let after: string | undefined;
  do {
    const page = await gaps.list('gw1', { ...query, limit, ...(after !== undefined && { after }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return found;
}

const live = async () => (await gaps.summary('gw1')).lanes.find(({ lane }) => lane === 'live');

test('of a device that nobody has heard of nothing is missing', async () => {
  expect(await all()).toEqual([]);
  expect(await gaps.summary('gw1')).toMatchObject({ lives: { count: 0 }, restored: { count: 0 } });
});

test('what is missing waits as long as the device may still send it, and is then unexplained', async () => {
  await take('l.a', 0, 10, 1);
  await take('l.a', 15, 20, 2);
  expect(await all()).toMatchObject([
    { run: 'a', seq: 10, through: 15, missing: 5, dropped: 0, state: 'waiting', noticedAt: 2 },
  ]);
  expect(await live()).toMatchObject({ waiting: 5, unexplained: 0 });
  await take('l.a', 20, 30, HOUR + 1);
  expect(await live()).toMatchObject({ waiting: 5, unexplained: 0 });
  // Whatever it sends shows that it is there.
  await take('l.a', 0, 1, HOUR + 2, 'report');
  expect(await all()).toMatchObject([{ state: 'unexplained' }]);
  expect(await live()).toMatchObject({ waiting: 0, unexplained: 5 });
});

test('a device that is silent has not lost what it has not sent', async () => {
  await take('l.a', 0, 10, 1);
  await take('l.b', 15, 20, 2);
  expect(await all()).toEqual([
    { lane: 'live', life: 'l', seq: 10, through: 15, missing: 5, dropped: 0, state: 'waiting', noticedAt: 2 },
  ]);
});

test('what the device told of says why, and of which time it was', async () => {
  await take('l.a', 0, 10, 1);
  await take('l.a', 20, 30, 2);
  await tell('l.a', 10, 20, { ts: 77, from: 1_000, to: 2_000 });
  const [gap] = await all();
  expect(gap).toEqual({
    ...{ lane: 'live', life: 'l', run: 'a', seq: 10, through: 20, missing: 10, dropped: 10, state: 'dropped' },
    ...{ noticedAt: 5, reasons: { bytes: 10 }, droppedAt: 77, from: 1_000, to: 2_000 },
  });
  expect(await gaps.summary('gw1')).toMatchObject({ told: { live: { bytes: 10 } } });
  expect(await all({ from: 2_000, to: 3_000 })).toHaveLength(1);
  expect(await all({ from: 2_001 })).toEqual([]);
  expect(await all({ to: 1_000 })).toEqual([]);
  expect(await gapsInRange(gaps, 'gw1', { from: 1_500, to: 1_600 })).toEqual([gap]);
  expect(await gapsInRange(gaps, 'gw1', {})).toEqual([gap]);
});

test('of a life that is over nothing is unexplained', async () => {
  await take('one.a', 0, 10, 1);
  await take('one.a', 15, 20, 2);
  await take('two.a', 0, 10, 9 * HOUR);
  expect(await all()).toMatchObject([{ life: 'one', state: 'ended', missing: 5 }]);
  expect(await gaps.summary('gw1')).toMatchObject({
    lives: {
      count: 2,
      current: 'two',
      last: [
        { life: 'one', at: 1 },
        { life: 'two', at: 9 * HOUR },
      ],
    },
  });
  expect(await live()).toEqual({ lane: 'live', dropped: 0, waiting: 0, unexplained: 0, ended: 5 });
});

test('lists are the same whatever the pages they come in, newest first, and by lane and state', async () => {
  for (let run = 0; run < 12; run++) {
    const lane = run % 3 === 0 ? 'backfill' : 'live';
    for (let n = 0; n < 4; n++) await take(`l.${run}`, run * 40 + n * 10, run * 40 + n * 10 + 7, run * 10 + n, lane);
    if (lane === 'live') await tell(`l.${run}`, run * 40 + 7, run * 40 + 10);
  }
  const whole = await all();
  expect(whole.length).toBeGreaterThan(30);
  for (const limit of [1, 2, 3, 7]) expect(await all({}, limit)).toEqual(whole);
  for (const lane of ['live', 'backfill']) {
    const own = whole.filter((gap) => gap.lane === lane);
    expect(await all({ lane }, 4)).toEqual(own);
    const open = own.reduce((sum, { missing, dropped }) => sum + missing - dropped, 0);
    const sums = (await gaps.summary('gw1')).lanes.find((each) => each.lane === lane)!;
    expect(sums.waiting + sums.unexplained).toBe(open);
    expect(sums.dropped).toBe(own.reduce((sum, { dropped }) => sum + dropped, 0));
  }
  expect(await all({ state: 'dropped' }, 2)).toEqual(whole.filter(({ state }) => state === 'dropped'));
});
