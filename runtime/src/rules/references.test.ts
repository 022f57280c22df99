import { expect, test } from 'vitest';
import type { Sample } from './conditions/condition.ts';
import { T0, Timeline } from './episode/timeline.fixture.ts';
import { type Reference, References } from './references.ts';

const RULE = {
  sensor: 'o*',
  metric: 'temperature',
  above: { sensor: 'ref', metric: 'limit' },
  lateness: '5s',
} as const;

const LEVELS = `
    1s     ref/limit 50
    2s     ref/limit 10
    3s     ref/limit 60`;

for (const restarts of [false, true]) {
  const when = restarts ? ', also after restarts' : '';

  test(`semantics 4, late data: a series that is first heard of is judged by the level of its own time${when}`, () => {
    new Timeline(RULE, { restarts }).run(`${LEVELS}
    4s     o1 20 @2s
    6s     o1 70
    7s     tick -> firing @2s
    20s    o1 5 -> resolved cleared @3s since:2s; firing @6s`);
  });

  test(`a level that comes late itself is put in its place${when}`, () => {
    new Timeline(RULE, { restarts }).run(`
    1s     ref/limit 50
    3s     ref/limit 60
    4s     ref/limit 10 @2s
    5s     o1 20 @2s
    6s     o1 70
    7s     tick -> firing @2s`);
  });
}

test('what is first heard of and later than that is judged by what was said last before', () => {
  new Timeline(RULE).run(`
    1s     ref/limit 10
    20s    ref/limit 60
    21s    o1 20 @17s
    25s    tick
    26s    tick -> firing @17s
    29s    tick -> resolved @20s`);
});

test('levels of a clock that was ahead do not stand before those of after', () => {
  const timeline = new Timeline({ ...RULE, lateness: '0s' }).run(`
    1s     ref/limit 10 @2h`);
  timeline.fold.moveTime({ from: T0, shift: -7_199_000, now: timeline.now });
  timeline.run(`
    2s     ref/limit 50
    3s     o1 20`);
});

const levelAt = (second: number, value = second): Sample => ({
  device: 'gw1',
  sensor: 'ref',
  metric: 'limit',
  ts: T0 + second * 1_000,
  value,
});

function kept({ byKey }: References): number[] {
  return [...byKey.values()].flatMap(({ earlier = [], ts }) =>
    [...earlier.map(([at]) => at), ts].map((at) => (at - T0) / 1_000),
  );
}

test('levels within the lateness are kept, and the one before; without lateness the newest alone', () => {
  const check = (latenessMs: number, seconds: number[], expected: number[]) => {
    const references = new References(new Map(), latenessMs);
    for (const second of seconds) references.note(levelAt(second));
    expect(kept(references)).toEqual(expected);
  };
  check(0, [1, 2, 3], [3]);
  check(0, [1, 3, 2], [3]);
  check(5_000, [1, 2, 3], [1, 2, 3]);
  check(5_000, [3, 1, 2, 2], [1, 2, 3]);
  check(5_000, [1, 4, 5, 10], [5, 10]);
  check(5_000, [1, 4, 6, 10], [4, 6, 10]);
  check(5_000, [10, 4, 3], [4, 10]);
  check(5_000, [10, 3, 4], [4, 10]);
});

test('of levels that come fast so many are kept, of one series and of all', () => {
  const references = new References(new Map(), 3_600_000);
  for (let at = 0; at < 3_000; at++) references.note(levelAt(at));
  expect(kept(references)).toEqual(Array.from({ length: 1_025 }, (_, at) => at + 3_000 - 1_025));
  for (let sensor = 0; sensor < 6; sensor++) {
    for (let at = 0; at < 2_000; at++) references.note({ ...levelAt(at), sensor: `ref${sensor}` });
  }
  const counts = [...references.byKey.values()].map(({ earlier }) => earlier?.length ?? 0);
  expect(counts).toEqual([1_024, 1_024, 1_024, 1_024, 0, 0, 0]);
  const restored = new References(new Map(structuredClone([...references.byKey])) as Map<string, Reference>, 3_600_000);
  restored.note({ ...levelAt(2_000), sensor: 'ref5' });
  expect(restored.byKey.get('gw1/ref5/limit')).toEqual({ ...levelAt(2_000), sensor: 'ref5' });
});
