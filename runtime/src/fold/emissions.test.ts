/** More series in one step than a batch can have: what functions make up hurts nobody but themselves. */
import { columnsOf, type Reading, readingsOf, SERIES_MAX } from '@weir/protocols';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Emissions } from './emissions.ts';
import { functionOf, ruleOf, sandbox, startSandbox, T0 } from './fold.fixture.ts';
import { emptyStepOutput } from './fold.ts';
import { createFoldHost } from './host.ts';
import { emptyFunctionOutput } from './outputs.ts';

beforeAll(startSandbox);
afterAll(() => sandbox.stop());

const series = (sensor: string, count: number): Reading[] =>
  Array.from({ length: count }, (_, i) => ({ sensor, metric: `m${i}`, value: i, ts: T0 }));
const made = (emitted: Reading[]) => ({ ...emptyFunctionOutput(), emitted });

test('series beyond what a batch can have are left out, of the function that comes last, and it is said of that one', () => {
  const [emissions, output] = [new Emissions(), emptyStepOutput()];
  const first = made(series('a', SERIES_MAX - 10));
  const second = made([...series('b', 10), ...series('a', 3), ...series('c', 5), ...series('b', 2)]);
  emissions.admit('first', first, output);
  emissions.admit('second', second, output);
  expect(first.emitted).toHaveLength(SERIES_MAX - 10);
  expect(second.emitted).toEqual([...series('b', 10), ...series('a', 3), ...series('b', 2)]);
  expect(output.logs).toEqual([
    {
      fold: 'second',
      level: 'error',
      text: 'emit: functions emit more than 65535 series in one step; 5 readings were left out',
      ts: T0,
    },
  ]);
});

test('many readings of few series are no such thing', () => {
  const [emissions, output] = [new Emissions(), emptyStepOutput()];
  for (let i = 0; i < 8; i++) {
    const each = made(Array.from({ length: 10_000 }, (_, at) => ({ sensor: 's', metric: `m${i}`, value: at, ts: T0 })));
    emissions.admit('f', each, output);
    expect(each.emitted).toHaveLength(10_000);
  }
  expect(output.logs).toEqual([]);
});

test('as many series as a batch can have, and what functions emit beside them: neither is lost, each function and rule sees both', async () => {
  const host = createFoldHost({ device: 'gw1', sandbox });
  onTestFinished(() => host.dispose());
  const count = 65_000;
  const up = await functionOf(
    'up',
    `inputs: [{ sensor: 's0' }], outputs: [{ metric: 'own*' }],
     reading(r, ctx) { for (let i = 0; i < 2000; i++) ctx.emit({ metric: 'own' + i, value: i }); }`,
  );
  const down = await functionOf(
    'down',
    `inputs: [{ sensor: 's1' }, { sensor: 's0', metric: 'own7' }],
     readings(rs, ctx) { for (const r of rs) ctx.emit({ metric: 'seen', value: r.value, ts: r.ts }); }`,
  );
  const rules = [
    ruleOf('raw', { sensor: 's5', metric: 'm', above: 1 }),
    ruleOf('emitted', { sensor: 's0', metric: 'own9', above: 1 }),
  ];
  await host.deploy([up, down, ...rules], new Map(), '0', T0);
  const raw = Array.from({ length: count }, (_, i) => ({ sensor: `s${i}`, metric: 'm', value: i, ts: T0 }));
  const output = await host.step({ position: '1', receivedAt: T0, columns: columnsOf(raw) });
  const emitted = [...readingsOf(output.emitted)];
  expect(emitted.filter(({ metric }) => metric === 'seen').map(({ value }) => value)).toEqual([1, 7]);
  expect(emitted.filter(({ metric }) => metric.startsWith('own'))).toHaveLength(2_000);
  expect(output.alerts.map(({ source }) => source.name).sort()).toEqual(['emitted', 'raw']);
});
