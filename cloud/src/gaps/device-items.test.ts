import type { GapReport } from '@weir/protocols';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import { CHANGES_MAX, type Store } from '../store/store.ts';
import { DeviceItems, type Notice } from './device-items.ts';
import { readLives } from './kept.ts';
import type { Missing } from './totals.ts';

let store: Store;
let items: DeviceItems;
let notices: Notice[];
let totals: Missing;

beforeEach(() => begin());

function begin(runsMax?: number): void {
  store = createMemoryStore();
  items = new DeviceItems('gw1', store, runsMax);
  notices = [];
  totals = { dropped: 0, open: 0, ended: 0 };
}

async function commit(): Promise<void> {
  const changes = items.changes();
  expect(changes.length).toBeLessThan(CHANGES_MAX);
  await store.write(changes);
  items.committed();
  const settled = items.settle();
  notices.push(...settled.notices);
  for (const { dropped, open, ended } of settled.missing) {
    totals.dropped += dropped;
    totals.open += open;
    totals.ended += ended;
  }
}

async function take(epoch: string, seq: number, through: number, at = 0): Promise<[number, number][]> {
  const fresh = await items.take('live', { epoch, seq, count: through - seq, at });
  await commit();
  return fresh.map(([from, to]) => [from, to]);
}

async function tell(epoch: string, seq: number, through: number, at = 0): Promise<void> {
  const count = through - seq;
  const report: GapReport = {
    type: 'gap',
    id: `${seq}`,
    ts: 0,
    lane: 'live',
    epoch,
    seq,
    through,
    count,
    reason: 'bytes',
  };
  await items.tell(report, at);
  await commit();
}

const reload = () => {
  items = new DeviceItems('gw1', store);
};

describe('runs of one life', () => {
  test('go on from one another: nothing is missing, and nothing is noticed', async () => {
    for (let run = 0; run < 50; run++) expect(await take(`life.${run}`, run * 10, run * 10 + 10)).toHaveLength(1);
    expect(totals).toEqual({ dropped: 0, open: 0, ended: 0 });
    expect(notices).toEqual([]);
    expect(await take('life.7', 70, 80)).toEqual([]);
  });

  test('what lies between two runs is missing until it comes, or is told of', async () => {
    await take('life.a', 0, 10);
    await take('life.b', 20, 30);
    expect(totals).toMatchObject({ open: 10 });
    await take('life.a', 10, 13);
    expect(totals).toMatchObject({ open: 7 });
    await tell('life.a', 13, 16);
    await tell('life.b', 16, 20);
    expect(totals).toEqual({ dropped: 7, open: 0, ended: 0 });
  });

  test('a run of which everything was given up is known by what was told of it', async () => {
    await take('life.a', 0, 10);
    await take('life.c', 30, 40);
    await tell('life.b', 10, 30);
    expect(totals).toEqual({ dropped: 20, open: 0, ended: 0 });
    expect(notices).toMatchObject([{ type: 'gap' }]);
  });

  test('items whose run is heard of late are no old copy of the disk', async () => {
    await take('life.b', 10, 20);
    await take('life.a', 0, 10);
    await take('life.b', 20, 30);
    expect(notices).toEqual([]);
    expect(totals.open).toBe(0);
  });

  test('an agent that begins to name its runs goes on in the same life', async () => {
    await take('life', 0, 10);
    await take('life.a', 10, 20);
    expect(notices).toEqual([]);
    expect(totals.open).toBe(0);
  });

  test('what a hub has kept before it knew of runs is not stored again, and counted from then on', async () => {
    const key = { table: 'received', partition: 'gw1', sort: 'live/life' };
    await store.write([
      {
        put: key,
        json: {
          list: [
            [0, 10],
            [15, 20],
          ],
          forgotten: 0,
          at: 1,
        },
      },
    ]);
    expect(await take('life', 5, 25)).toEqual([
      [10, 15],
      [20, 25],
    ]);
    expect(totals).toEqual({ dropped: 0, open: 0, ended: 0 });
    expect(notices).toEqual([]);
  });
});

describe('a device that goes on from an old copy of its disk', () => {
  beforeEach(async () => {
    await take('life.a', 0, 10, 1);
    await take('life.b', 10, 20, 2);
    await take('life.c', 20, 30, 3);
  });

  test('is noticed once, and loses nothing: its items are its own, and what it sends again is known', async () => {
    expect(await take('life.a', 8, 10, 4)).toEqual([]);
    expect(await take('life.d', 15, 18, 5)).toEqual([[15, 18]]);
    expect(await take('life.d', 18, 40, 6)).toEqual([[18, 40]]);
    expect(await take('life.e', 40, 50, 7)).toEqual([[40, 50]]);
    const restored = {
      type: 'restored',
      at: 5,
      life: 'life',
      run: 'd',
      lane: 'live',
      wasOver: false,
      seq: 15,
      reached: 30,
    };
    expect(notices).toEqual([restored]);
    expect(totals.open).toBe(0);
  });

  test('again is noticed again, also to another copy', async () => {
    await take('life.d', 15, 22);
    await take('life.e', 22, 26);
    await take('life.f', 21, 22);
    await take('life.g', 22, 30);
    expect(notices).toMatchObject([
      { run: 'd', seq: 15, reached: 30 },
      { run: 'f', seq: 21, reached: 26 },
    ]);
    expect((await readLives(store, 'gw1'))!.restored).toMatchObject({ count: 2, last: [{ run: 'd' }, { run: 'f' }] });
  });

  test('is noticed by what it tells, too, when it sends nothing', async () => {
    await tell('life.d', 12, 14);
    expect(notices).toMatchObject([{ type: 'restored', run: 'd', seq: 12, reached: 30 }, { type: 'gap' }]);
    expect(totals).toEqual({ dropped: 2, open: 0, ended: 0 });
  });

  test('what one of the two gave up and the other sent is not missing', async () => {
    await take('life.c', 35, 40, 4);
    await tell('life.c', 30, 35);
    expect(totals).toEqual({ dropped: 5, open: 0, ended: 0 });
    expect(await take('life.c', 30, 35)).toEqual([[30, 35]]);
    expect(totals).toEqual({ dropped: 0, open: 0, ended: 0 });
  });
});

describe('a device that begins anew', () => {
  test('what was missing before is of a life that is over, and no alarm', async () => {
    await take('one.a', 0, 10);
    await take('one.a', 15, 20);
    await tell('one.a', 15, 16);
    await tell('one.a', 10, 12);
    expect(totals).toEqual({ dropped: 2, open: 3, ended: 0 });
    await take('two.a', 0, 10, 9);
    expect(totals).toEqual({ dropped: 2, open: 0, ended: 3 });
    expect(notices.slice(-1)).toEqual([{ type: 'new-life', at: 9, life: 'two' }]);
    await tell('one.a', 12, 13);
    expect(totals).toEqual({ dropped: 3, open: 0, ended: 2 });
    expect((await readLives(store, 'gw1'))!.current).toBe('two');
  });

  test('and then comes back with the life before goes on from an old copy', async () => {
    await take('one.a', 0, 10);
    await take('two.a', 0, 10);
    expect(await take('one.a', 0, 10)).toEqual([]);
    expect(await take('one.b', 10, 20, 5)).toEqual([[10, 20]]);
    expect(notices.at(-1)).toMatchObject({ type: 'restored', at: 5, wasOver: true, run: 'b', seq: 10, reached: 10 });
  });

  test('again and again keeps a few lives, and the sums of all', async () => {
    for (let life = 0; life < 40; life++) {
      await take(`l${life}.a`, 0, 10);
      await take(`l${life}.a`, 11, 20);
      await tell(`l${life}.a`, 10, 11);
      await take(`l${life}.a`, 22, 23);
    }
    const lives = (await readLives(store, 'gw1'))!;
    expect(lives.list).toHaveLength(16);
    expect(lives).toMatchObject({ count: 40, current: 'l39', forgotten: { missing: 24 * 3, dropped: 24 } });
    expect(totals).toEqual({ dropped: 40, open: 2, ended: 78 });
    expect((await store.query({ table: 'lane-life', partition: 'gw1' })).items).toHaveLength(16);
  });
});

test('of very many runs those heard of longest ago are forgotten, and their sums stay', async () => {
  begin(20);
  for (let run = 0; run < 100; run++) {
    await take(`life.${run}`, run * 10, run * 10 + 5);
    await take(`life.${run}`, run * 10 + 6, run * 10 + 10);
  }
  expect(totals).toEqual({ dropped: 0, open: 100, ended: 0 });
  for (const table of ['received', 'received-order', 'gap']) {
    expect((await store.query({ table, partition: 'gw1' })).items).toHaveLength(20);
  }
  for (let run = 80; run < 100; run++) expect(await take(`life.${run}`, run * 10, run * 10 + 5)).toEqual([]);
  expect(notices).toEqual([]);
});

test('a device that numbers like mad does not make the sums of the fleet inexact', async () => {
  await take('mad.a', 0, 10);
  await take('mad.a', 2 ** 52, 2 ** 52 + 10);
  await tell('mad.a', 2 ** 52 + 10, 2 ** 53 - 1);
  expect(totals).toEqual({ dropped: 1e12, open: 1e12, ended: 0 });
  await take('sane.a', 0, 10);
  expect(totals).toEqual({ dropped: 1e12, open: 0, ended: 1e12 });
});

/** What happens to a device, one after another; numbers are drawn from what there is then. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant('send' as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('drop' as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('hold' as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('again' as const), which: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('start' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('copy' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('restore' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('anew' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('reload' as const) }) },
);

interface Known {
  got: Set<number>;
  told: Set<number>;
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
const hull = ({ got, told }: Known): [number, number] => {
  const all = [...got, ...told];
  return [Math.min(...all), Math.max(...all) + 1];
};

/** Whose each number of a life is on the way that is being gone, and the runs that began a way. */
interface Way {
  owner: Map<number, string>;
  count: number;
  countOf: Map<string, number>;
  back: Set<string>;
}

function follow(ways: Map<string, Way>, known: ReadonlyMap<string, Known>, epoch: string): void {
  const [life, run] = epoch.split('.') as [string, string];
  const way = ways.get(life) ?? { owner: new Map(), count: 0, countOf: new Map(), back: new Set() };
  ways.set(life, way);
  if (!way.countOf.has(run)) way.countOf.set(run, way.count);
  if (way.countOf.get(run) !== way.count) return;
  const [low, high] = hull(known.get(epoch)!);
  if (numbers(low, high).some((n) => (way.owner.get(n) ?? run) !== run)) {
    way.back.add(run);
    way.countOf.set(run, ++way.count);
    for (const n of [...way.owner.keys()]) if (n >= low) way.owner.delete(n);
  }
  for (const n of numbers(low, high)) way.owner.set(n, run);
}

test('whatever happens to a device, nothing is stored twice, nothing is lost, and what is missing is counted exactly', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { minLength: 5, maxLength: 60 }), async (all) => {
      begin();
      const known = new Map<string, Known>();
      const ways = new Map<string, Way>();
      const sent: { epoch: string; from: number; to: number }[] = [];
      let [life, run, next] = [0, 0, 0];
      let copy = { life, next };
      let names = 0;
      const epoch = () => `l${life}.r${run}`;
      const of = (name: string) => {
        const found = known.get(name) ?? { got: new Set(), told: new Set() };
        known.set(name, found);
        return found;
      };
      const deliver = async (batch: { epoch: string; from: number; to: number }) => {
        const { got } = of(batch.epoch);
        const fresh = await take(batch.epoch, batch.from, batch.to);
        const expected = numbers(batch.from, batch.to).filter((n) => !got.has(n));
        expect(fresh.flatMap(([a, b]) => numbers(a, b))).toEqual(expected);
        for (const n of expected) got.add(n);
        follow(ways, known, batch.epoch);
      };
      for (const each of all) {
        if (each.does === 'start') run = ++names;
        if (each.does === 'copy') copy = { life, next };
        if (each.does === 'restore') [{ life, next }, run] = [copy, ++names];
        if (each.does === 'anew') [life, run, next] = [++names, ++names, 0];
        if (each.does === 'reload') reload();
        if (each.does === 'again' && sent.length > 0) await deliver(sent[each.which % sent.length]!);
        if (each.does === 'send' || each.does === 'hold') {
          const batch = { epoch: epoch(), from: next, to: next + each.count };
          next += each.count;
          sent.push(batch);
          if (each.does === 'send') await deliver(batch);
        }
        if (each.does === 'drop') {
          const to = next + each.count;
          for (const n of numbers(next, to)) of(epoch()).told.add(n);
          await tell(epoch(), next, to);
          follow(ways, known, epoch());
          next = to;
        }
      }
      const current = (await readLives(store, 'gw1'))?.current;
      const expected = { dropped: 0, open: 0, ended: 0 };
      for (const [name, runs] of Map.groupBy(known, ([each]) => each.split('.')[0]!)) {
        const hulls = runs.map(([, each]) => hull(each));
        const inHulls = new Set(hulls.flatMap(([from, to]) => numbers(from, to)));
        const low = Math.min(...inHulls);
        const between = Math.max(...inHulls) + 1 - low - inHulls.size;
        const missing = runs.reduce((sum, [, each]) => sum + hull(each)[1] - hull(each)[0] - each.got.size, between);
        const dropped = runs.reduce((sum, [, { got, told }]) => sum + [...told].filter((n) => !got.has(n)).length, 0);
        expected.dropped += dropped;
        expected[name === current ? 'open' : 'ended'] += missing - dropped;
      }
      expect(totals).toEqual(expected);
      const wentBack = new Set([...ways].flatMap(([of, { back }]) => [...back].map((name) => `${of}.${name}`)));
      const noticed = notices.flatMap((each) => (each.type === 'restored' && !each.wasOver ? [each] : []));
      const cameBack = notices.flatMap((each) =>
        each.type === 'restored' && each.wasOver ? [`${each.life}.${each.run}`] : [],
      );
      expect(new Set([...noticed.map((each) => `${each.life}.${each.run}`), ...cameBack])).toEqual(
        new Set([...wentBack, ...cameBack]),
      );
    }),
    { numRuns: 500 },
  );
});
