import { columnsOf } from '@weir/protocols';
import { beforeAll, expect, test } from 'vitest';
import { KeptHost, ruleOf, sandbox, startSandbox, T0 } from '../fold/fold.fixture.ts';
import { emptyStepOutput } from '../fold/fold.ts';
import { createFoldHost } from '../fold/host.ts';

beforeAll(async () => {
  await startSandbox();
  return () => sandbox.stop();
});

const alertsOf = ({ alerts }: { alerts: { source: { name: string }; state: string }[] }) =>
  alerts.map(({ source, state }) => `${source.name} ${state}`);

test('a reading is for the rules that take it, in the order of their deployment, whether they name it or not', async () => {
  const host = new KeptHost();
  await host.deploy(
    ruleOf('any', { metric: 'temperature', above: 10 }),
    ruleOf('other', { sensor: 'b', metric: 'temperature', above: 10 }),
    ruleOf('named', { sensor: 'a', metric: 'temp*', above: 10 }),
    ruleOf('metric', { sensor: 'a', metric: 'pressure', above: 10 }),
    ruleOf('some', { sensor: 'a*', metric: '*', above: 10 }),
  );
  expect(alertsOf(await host.step([0, 11, 'a']))).toEqual(['any firing', 'named firing', 'some firing']);
  expect(alertsOf(await host.step([1, 11, 'b'], [1, 9, 'a']))).toEqual([
    'any firing',
    'any resolved',
    'other firing',
    'named resolved',
    'some resolved',
  ]);
  expect(host.status('metric')).toMatchObject({ steps: 0, readings: 0 });
  expect(host.status('some')).toMatchObject({ steps: 2, readings: 2 });
});

test('a rule that comes later has its part of series that are known, and one that has gone has none', async () => {
  const host = new KeptHost();
  const [first, second] = [
    ruleOf('first', { metric: 'temperature', above: 10 }),
    ruleOf('second', { metric: '*', above: 10 }),
  ];
  await host.deploy(first);
  await host.step([0, 9, 'a']);
  await host.deploy(first, second);
  expect(alertsOf(await host.step([1, 11, 'a']))).toEqual(['first firing', 'second firing']);
  await host.deploy(second);
  expect(alertsOf(await host.step([2, 9, 'a']))).toEqual(['second resolved']);
});

test('what is due of one rule among many fires at its time, also after a restart', async () => {
  const host = new KeptHost();
  const rules = Array.from({ length: 50 }, (_, at) =>
    ruleOf(`r${at}`, { sensor: `s${at}`, metric: 'temperature', above: 10, for: `${10 + at}s` }),
  );
  await host.deploy(...rules);
  await host.step([0, 11, 's7'], [0, 11, 's3']);
  expect(alertsOf(await host.tick(12))).toEqual([]);
  await host.restart();
  expect(alertsOf(await host.tick(13))).toEqual(['r3 firing']);
  expect(alertsOf(await host.tick(60))).toEqual(['r7 firing']);
  expect(alertsOf(await host.tick(600))).toEqual([]);
});

test('a step about none of ten thousand rules does nothing with them', async () => {
  const rules = Array.from({ length: 10_000 }, (_, at) => {
    return ruleOf(`r${at}`, { sensor: `s${at}`, metric: 'temperature', above: 10 });
  });
  const host = createFoldHost({ device: 'gw1', sandbox });
  await host.deploy(rules, new Map(), '0', T0);
  const columns = columnsOf([{ sensor: 's4711', metric: 'temperature', value: 9, ts: T0 }]);
  const output = await host.step({ position: '1', receivedAt: T0, columns });
  expect({ ...output, usage: [] }).toEqual({ ...emptyStepOutput(), states: output.states, usage: [] });
  expect(output.states.map(({ fold }) => fold)).toEqual(['r4711/s4711/temperature']);
});

test('a rule says what it costs: time, readings it was judged by, what it watches, what is active, what is kept', async () => {
  let elapsed = 0;
  const host = new KeptHost({ elapsedMs: () => (elapsed += 0.5) });
  await host.deploy(
    ruleOf('hot', { metric: 'temperature', above: 10 }),
    ruleOf('other', { metric: 'pressure', above: 1 }),
  );
  await host.step([0, 11, 'a'], [0, 9, 'b']);
  const { spentMs, ...load } = host.status('hot').rule!;
  const kept = [...host.states].filter(([key]) => key.startsWith('hot/')).map(([, json]) => json.length);
  expect(load).toEqual({ evaluations: 2, subjects: 2, active: 1, stateBytes: kept[0]! + kept[1]! });
  expect(spentMs).toBeGreaterThan(0);
  await host.step([1, 9, 'a']);
  expect(host.status('hot').rule).toMatchObject({ evaluations: 3, active: 0 });
  expect(host.status('other').rule).toMatchObject({ evaluations: 0, subjects: 0, active: 0, stateBytes: 0 });
});
