import { readingsOf } from '@weir/protocols';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emitted, functionOf, KeptHost, logged, sandbox, startSandbox } from './fold.fixture.ts';
import type { DeadLetter } from './fold.ts';

beforeAll(startSandbox);
afterAll(() => sandbox.stop());

const valuesOf = ({ input }: DeadLetter) =>
  input.kind === 'readings' ? [...readingsOf(input.columns)].map(({ value }) => value) : input;
const fragile = (more = '') => `${more} state: () => ({ sum: 0 }), reading(r, ctx) {
  ctx.state.sum += r.value;
  ctx.log('at', r.value);
  if (r.value < 0) throw new Error('negative');
  ctx.emit({ metric: 'sum', value: ctx.state.sum });
}`;

describe('what becomes of input that a function throws on', () => {
  test('skip: what threw is left out and kept with the error; the rest is folded as if it had never come', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('fragile', fragile()));
    const output = await host.step([1, 1], [2, -1], [3, 2], [4, -2]);
    expect(emitted(output)).toEqual(['sum 1', 'sum 3']);
    expect(output.deadLetters).toMatchObject([
      { id: 'fragile:2', fold: 'fragile', version: '1', kind: 'threw', message: 'Error: negative' },
    ]);
    expect(valuesOf(output.deadLetters[0]!)).toEqual([-1, -2]);
    expect(host.status('fragile')).toMatchObject({ state: 'running', errors: 1 });
  });

  test('a batch handler that throws leaves the whole batch', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('batch', `readings() { throw new Error('all of it'); }`));
    const { deadLetters } = await host.step([1, 1], [2, 2]);
    expect(deadLetters.map(valuesOf)).toEqual([[1, 2]]);
  });

  test('of several series only those whose batch threw are left', async () => {
    const host = new KeptHost();
    const body = `key: 'series', readings(b, ctx) { if (ctx.series.sensor === 'b') throw new Error('b'); ctx.emit({ metric: 'n', value: b.count }); }`;
    await host.deploy(await functionOf('batch', body));
    const output = await host.step([1, 1, 'a'], [1, 10, 'b'], [2, 2, 'a'], [2, 20, 'b']);
    expect([emitted(output), output.deadLetters.map(valuesOf)]).toEqual([['n 2'], [[10, 20]]]);
  });

  test('what had to be stopped leaves its whole input', { timeout: 20_000 }, async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('loops', `timeoutMs: 50, reading(r) { if (r.value === 2) for (;;); }`));
    const { deadLetters } = await host.step([1, 1], [2, 2]);
    expect(deadLetters).toMatchObject([{ kind: 'timed-out' }]);
    expect(valuesOf(deadLetters[0]!)).toEqual([1, 2]);
  });

  test('retry: the step is run again from the same state, ever later, then what threw is left out', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('fragile', fragile(`onError: { retry: 3, backoff: '100ms' },`)));
    const output = await host.step([1, 1], [2, -1], [3, 2]);
    expect(host.waits).toEqual([100, 200, 400]);
    expect(emitted(output)).toEqual(['sum 1', 'sum 3']);
    expect(output.deadLetters.map(valuesOf)).toEqual([[-1]]);
    expect(host.state('fragile')).toEqual({ sum: 3 });
    expect(emitted(await host.step([4, 4]))).toEqual(['sum 7']);
    expect(host.faults.length).toBe(1);
  });

  test('retry: what goes well the second time has left nothing of the first behind', { timeout: 20_000 }, async () => {
    const host = new KeptHost();
    // The isolate of the first attempt is disposed of, as when the machine was busy.
    const body = `timeoutMs: 300, onError: { retry: 1 }, state: () => ({ n: 0 }), reading(r, ctx) {
      ctx.state.n++; globalThis.calls = (globalThis.calls ?? 0) + 1;
      if (r.value === 9 && globalThis.calls === 2) throw new Error('for once');
    }`;
    await host.deploy(await functionOf('once', body));
    await host.step([1, 1]);
    const output = await host.step([2, 9]);
    expect([host.state('once'), output.deadLetters, host.faults]).toEqual([{ n: 2 }, [], []]);
  });

  test('stop: the step is undone and kept whole, the function is stopped, its alerts are ended', async () => {
    const host = new KeptHost();
    const body = fragile(`onError: 'stop',`).replace('ctx.log(', `ctx.alert({ name: 'any', active: true }); ctx.log(`);
    await host.deploy(await functionOf('fragile', body));
    await host.step([1, 1]);
    const output = await host.step([2, 2], [3, -1], [4, 4]);
    expect(emitted(output)).toEqual([]);
    expect(logged(output)).toContain('at 2');
    expect(output.alerts).toMatchObject([{ state: 'resolved', reason: 'quarantined' }]);
    expect(output.deadLetters.map(valuesOf)).toEqual([[2, -1, 4]]);
    expect(host.state('fragile')).toEqual({ sum: 1 });
    expect(host.status('fragile')).toMatchObject({
      state: 'quarantined',
      reason: expect.stringContaining('stopped, as its onError says: Error: negative'),
    });
    expect(emitted(await host.step([5, 5]))).toEqual([]);
  });

  test('ten steps in a row that throw are ten, also with a restart between them; a new version begins anew', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('fragile', fragile()));
    for (let second = 1; second < 10; second++) {
      await host.step([second, -1]);
      if (second % 3 === 0) await host.restart();
    }
    expect(host.status('fragile')).toMatchObject({ state: 'running' });
    await host.step([10, -1]);
    expect(host.status('fragile')).toMatchObject({ state: 'quarantined' });
    await host.deploy(await functionOf('fragile', fragile(), '2'));
    await host.step([11, -1]);
    await host.restart();
    await host.step([12, -1]);
    expect(host.status('fragile')).toMatchObject({ state: 'running' });
    expect(host.states.get('fragile')).toContain('"steps":2');
  });

  test.each([
    [`ctx.emit({ metric: 'bad name', value: 1 })`, '"bad name" is no name of a metric'],
    [`ctx.emit({ metric: 'm', sensor: 'a/b', value: 1 })`, '"a/b" is no name of a sensor'],
    [`ctx.emit({ metric: 'm', value: 1, ts: Number.NaN })`, 'emit: ts is null'],
    [`ctx.emit({ metric: 'm', value: 1, ts: 1e18 })`, 'emit: ts is 1000000000000000000'],
    [`ctx.emit({ metric: 'm', value: 'x'.repeat(257) })`, '257 characters'],
    [`ctx.alert({ name: '', active: true })`, 'alert: a name'],
    [`ctx.publish('a/#', 1)`, '"a/#" is no topic'],
    [`ctx.request({ name: 'r', url: 'ftp://x' })`, '"ftp://x" is no http or https URL'],
    ['ctx.state = undefined', 'the state is plain JSON, not undefined'],
  ])('%s throws in the handler: the reading is left out, with its place and all it did', async (act, message) => {
    const host = new KeptHost();
    const body = `state: () => ({ n: 0 }), reading(r, ctx) { ctx.state.n++; if (r.value === 2) ${act}; }`;
    await host.deploy(await functionOf('acts', body));
    const { deadLetters } = await host.step([1, 1], [2, 2], [3, 3]);
    expect(host.faults[0]!.message).toContain(message);
    expect([deadLetters.map(valuesOf), host.state('acts')]).toEqual([[[2]], { n: 2 }]);
  });

  test('a policy that is none is refused when the function is built', async () => {
    await expect(functionOf('f', `onError: { retry: 99 }, reading() {}`)).rejects.toThrow();
    await expect(functionOf('f', `onError: 'ignore', reading() {}`)).rejects.toThrow();
  });
});

describe('replay of a dead letter', () => {
  test('goes to the function as it is now, from the state it has now', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('fragile', fragile()));
    const { deadLetters } = await host.step([1, 1], [2, -1], [3, 2]);
    const mended = fragile().replace('throw new Error', 'ctx.log');
    await host.deploy(await functionOf('fragile', mended, '2'));
    const output = await host.event({ kind: 'replay', letter: deadLetters[0]! });
    expect(emitted(output)).toEqual(['sum 2']);
    expect(output!.deadLetters).toEqual([]);
  });

  test('that fails again makes another; where the function does not run nobody takes it', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('fragile', fragile()));
    const { deadLetters } = await host.step([1, -1]);
    const again = await host.event({ kind: 'replay', letter: deadLetters[0]! });
    expect(again!.deadLetters.map(valuesOf)).toEqual([[-1]]);
    expect(again!.deadLetters[0]!.id).not.toBe(deadLetters[0]!.id);
    await host.deploy();
    expect(await host.event({ kind: 'replay', letter: deadLetters[0]! })).toBeUndefined();
  });

  test('of an event brings the event again', async () => {
    const host = new KeptHost();
    const body = (act: string) => `command(c, ctx) { ${act} }`;
    await host.deploy(await functionOf('acts', body(`throw new Error('not yet')`)));
    const command = { id: 'c1', name: 'open', payload: { percent: 40 } };
    const { deadLetters } = (await host.event({ kind: 'command', command }))!;
    await host.deploy(await functionOf('acts', body(`ctx.log(c.id, c.name, c.payload.percent)`), '2'));
    expect(logged(await host.event({ kind: 'replay', letter: deadLetters[0]! }))).toEqual(['c1 open 40']);
  });
});

test('what a function used is counted', async () => {
  const host = new KeptHost();
  await host.deploy(await functionOf('fragile', fragile()));
  await host.step([1, 1], [2, -1], [3, 2]);
  await host.step([4, 4]);
  const { usage } = host.status('fragile');
  expect(usage).toMatchObject({ invocations: 2, readings: 4, errors: 1, outputs: 3 });
  expect(usage!.cpuMs).toBeGreaterThan(0);
  expect(usage!.heapBytesMax).toBeGreaterThan(100_000);
});
