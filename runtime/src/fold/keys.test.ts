import { afterAll, beforeAll, expect, test } from 'vitest';
import { emitted, functionOf, KeptHost, logged, ruleOf, sandbox, startSandbox } from './fold.fixture.ts';

beforeAll(startSandbox);
afterAll(() => sandbox.stop());

const sums = `key: 'series', state: () => ({ sum: 0 }), reading(r, ctx) {
  ctx.state.sum += r.value;
  ctx.emit({ metric: ctx.series.sensor + '-sum', value: ctx.state.sum });
}`;

test('each series has a state of its own, also after a restart', async () => {
  const host = new KeptHost();
  await host.deploy(await functionOf('sums', sums));
  expect(emitted(await host.step([1, 1, 'a'], [1, 10, 'b'], [2, 2, 'a']))).toEqual(['a-sum 1', 'b-sum 10', 'a-sum 3']);
  await host.restart();
  expect(emitted(await host.step([3, 3, 'a'], [3, 30, 'b']))).toEqual(['a-sum 6', 'b-sum 40']);
  expect(host.state('sums')).toEqual({ 'a/temperature': { sum: 6 }, 'b/temperature': { sum: 40 } });
});

test('a batch handler gets the readings of one series at a time, with a dictionary of its own', async () => {
  const host = new KeptHost();
  const body = `key: 'series', readings(batch, ctx) {
    ctx.log(ctx.series.sensor, batch.count, [...batch].map(({ value }) => value), batch.series.length, batch.at(0).sensor);
  }`;
  await host.deploy(await functionOf('batches', body));
  const output = await host.step([1, 1, 'a'], [1, 10, 'b'], [2, 2, 'a'], [3, 3, 'a']);
  expect(logged(output)).toEqual(['a 3 [1,2,3] 1 a', 'b 1 [10] 1 b']);
});

test('a reading that throws in one series is undone there and nowhere else', async () => {
  const host = new KeptHost();
  const body = sums.replace('ctx.emit', `if (r.value < 0) throw new Error('negative'); ctx.emit`);
  await host.deploy(await functionOf('sums', body));
  const output = await host.step([1, 1, 'a'], [1, 10, 'b'], [2, -1, 'a'], [2, 20, 'b'], [3, 2, 'a']);
  expect(emitted(output)).toEqual(['a-sum 1', 'b-sum 10', 'b-sum 30', 'a-sum 3']);
  expect(host.state('sums')).toEqual({ 'a/temperature': { sum: 3 }, 'b/temperature': { sum: 30 } });
});

test('alerts of one name in two series are two episodes, each with its own beginning and end', async () => {
  const host = new KeptHost();
  const body = `key: 'series', reading(r, ctx) { ctx.alert({ name: 'hot', active: r.value > 80 }); }`;
  await host.deploy(await functionOf('hot', body));
  const { alerts } = await host.step([1, 90, 'a'], [1, 90, 'b'], [2, 70, 'a']);
  expect(alerts.map(({ sensor, state }) => `${sensor} ${state}`)).toEqual(['a firing', 'b firing', 'a resolved']);
  expect(new Set(alerts.map(({ episode }) => episode)).size).toBe(2);
});

test('a schedule runs for each series that has a state', async () => {
  const host = new KeptHost();
  const body = `${sums}, schedule: [{ name: 'beat', every: 1000, run(ctx) { ctx.log(ctx.series.sensor, ctx.state.sum); } }]`;
  await host.deploy(await functionOf('sums', body));
  await host.tick(0);
  await host.step([1, 1, 'a'], [1, 10, 'b']);
  expect(logged(await host.tick(1))).toEqual(['a 1', 'b 10']);
});

test('more series than there is room for are left out and told; those that have a state go on', async () => {
  const host = new KeptHost();
  await host.deploy(await functionOf('sums', sums));
  const many = Array.from({ length: 1_001 }, (_, at): [number, number, string] => [1, 1, `s${at}`]);
  const output = await host.step(...many);
  expect(output.emitted.index.length).toBe(1_000);
  expect(output.deadLetters).toMatchObject([{ message: expect.stringContaining('more than 1000 series') }]);
  expect(emitted(await host.step([2, 1, 's0'], [2, 1, 'other'], [2, 1, 's999']))).toEqual(['s0-sum 2', 's999-sum 2']);
});

test('states that are too large together are an error, and none of them is kept', async () => {
  const host = new KeptHost();
  const body = `key: 'series', reading(r, ctx) { ctx.state.text = 'x'.repeat(r.value); }`;
  await host.deploy(await functionOf('large', body));
  await host.step([1, 200_000, 'a']);
  await host.step([2, 100_000, 'b']);
  expect(host.faults.map(({ message }) => message)).toEqual([expect.stringContaining('over 262144 characters')]);
  expect(Object.keys(host.state('large') as object)).toEqual(['a/temperature']);
});

test('a version with another key begins anew: the states of before are gone, and their alerts are ended', async () => {
  const host = new KeptHost();
  const body = (key: string) => `key: '${key}', state: () => ({ n: 0 }), reading(r, ctx) {
    ctx.state.n++; ctx.alert({ name: 'high', active: r.value > 5 }); }`;
  await host.deploy(await functionOf('kc', body('device')));
  await host.step([1, 9, 'a']);
  const { alerts } = await host.deploy(await functionOf('kc', body('series'), '2'));
  expect(alerts).toMatchObject([{ state: 'resolved', reason: 'removed' }]);
  await host.step([2, 9, 'a']);
  expect(host.state('kc')).toEqual({ 'a/temperature': { n: 1 } });
  const back = await host.deploy(await functionOf('kc', body('function'), '3'));
  expect(back.alerts).toMatchObject([{ state: 'resolved', sensor: 'a' }]);
});

test('start comes before all else, once for each version and configuration, and never again after a restart', async () => {
  const host = new KeptHost();
  const body = `start(ctx) { ctx.state.starts = (ctx.state.starts ?? 0) + 1; ctx.log('started', ctx.state.starts); },
    reading(r, ctx) { ctx.log('reading', ctx.state.starts); }`;
  const first = await functionOf('begins', body);
  expect(logged(await host.deploy(first))).toEqual(['started 1']);
  expect(logged(await host.step([1, 1]))).toEqual(['reading 1']);
  await host.restart();
  expect(logged(await host.step([2, 1]))).toEqual(['reading 1']);
  expect(logged(await host.deploy({ ...first, config: { level: 2 } }))).toEqual(['started 2']);
  expect(logged(await host.deploy(await functionOf('begins', body, '2')))).toEqual(['started 3']);
});

test('with a state for each series, start comes before the first reading of each', async () => {
  const host = new KeptHost();
  const body = `key: 'series', start(ctx) { ctx.log('start', ctx.series.sensor); }, reading(r, ctx) { ctx.log(r.sensor); }`;
  expect(logged(await host.deploy(await functionOf('begins', body)))).toEqual([]);
  expect(logged(await host.step([1, 1, 'a'], [1, 1, 'b'], [2, 1, 'a']))).toEqual(['start a', 'a', 'start b', 'b', 'a']);
  expect(logged(await host.deploy(await functionOf('begins', body, '2')))).toEqual(['start a', 'start b']);
});

test('what a start emits goes to rules and to the functions that take it', async () => {
  const host = new KeptHost();
  const source = await functionOf(
    'source',
    `outputs: [{ metric: 'level' }], start(ctx) { ctx.emit({ metric: 'level', value: 9 }); }, reading() {}`,
  );
  const taker = await functionOf('taker', `inputs: [{ metric: 'level' }], reading(r, ctx) { ctx.log(r.value); }`);
  const output = await host.deploy(source, taker, ruleOf('high', { metric: 'level', above: 5 }));
  expect([logged(output), output.alerts.length]).toEqual([['9'], 1]);
});
