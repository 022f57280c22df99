import { afterAll, beforeAll, expect, test } from 'vitest';
import { functionOf, KeptHost, ruleOf, sandbox, startSandbox } from '../fold/fold.fixture.ts';
import type { StepOutput, Usage } from '../fold/fold.ts';
import { addUsage, mergeUsage, NO_USAGE, usageSince } from './usage.ts';

beforeAll(startSandbox);
afterAll(() => sandbox.stop());

const echo = `inputs: [{ sensor: 's*' }], reading(r, ctx) { if (r.value < 0) throw new Error('cold'); ctx.emit({ metric: 'echo', value: r.value }); }`;
const countsOf = ({ usage }: StepOutput) =>
  usage.map(({ fold, version, invocations, readings, errors, outputs }) => {
    return `${fold}@${version}: ${invocations} ${readings} ${errors} ${outputs}`;
  });

test('each step tells what it cost by function, and all steps together what the status says', async () => {
  const host = new KeptHost();
  const deployed = [
    await functionOf('echo', echo),
    await functionOf('idle', `reading() {}, inputs: [{ sensor: 'x' }]`),
  ];
  await host.deploy(...deployed, ruleOf('hot', { metric: 'temperature', above: 80 }));
  const steps = [await host.step([1, 1], [2, 2]), await host.step([3, -3], [4, 4]), await host.step([5, 5, 'other'])];
  expect(steps.map(countsOf)).toEqual([['echo@1: 1 2 0 2'], ['echo@1: 1 2 1 1'], []]);
  const sum = steps.flatMap(({ usage }) => usage).reduce<Usage>(addUsage, NO_USAGE);
  const { usage } = host.status('echo');
  expect(sum).toEqual({ ...usage, cpuMs: expect.closeTo(usage!.cpuMs, 6) });
  expect(sum.cpuMs).toBeGreaterThan(0);
  expect(steps[0]!.usage[0]!.memoryMb).toBe(64);
});

test('a new version begins at nothing, and so does the same one after a restart: nothing is told twice', async () => {
  const host = new KeptHost();
  await host.deploy(await functionOf('echo', echo));
  await host.step([1, 1], [2, 2], [3, 3]);
  await host.deploy(await functionOf('echo', echo, '2'));
  expect(countsOf(await host.step([4, 4]))).toEqual(['echo@2: 1 1 0 1']);
  await host.restart();
  expect(countsOf(await host.step([5, 5]))).toEqual(['echo@2: 1 1 0 1']);
});

test('a schedule is an invocation without a reading, and a start is told with the deployment', async () => {
  const host = new KeptHost();
  const beat = `start() {}, schedule: [{ name: 'beat', every: '10s', run(ctx) { ctx.emit({ metric: 'beat', value: 1 }); } }]`;
  expect(countsOf(await host.deploy(await functionOf('beat', beat)))).toEqual(['beat@1: 1 0 0 0']);
  await host.tick(0);
  expect(countsOf(await host.tick(10))).toEqual(['beat@1: 1 0 0 1']);
});

test('a peak is no sum', () => {
  const low = { ...NO_USAGE, invocations: 1, heapBytesMax: 10 };
  const high = { ...NO_USAGE, invocations: 2, heapBytesMax: 30 };
  expect(addUsage(low, high)).toMatchObject({ invocations: 3, heapBytesMax: 30 });
  expect(usageSince(low, high)).toMatchObject({ invocations: 1, heapBytesMax: 30 });
  expect(usageSince(high, high)).toBeUndefined();
});

test('usages are merged by function and version', () => {
  const of = (fold: string, version: string, readings: number, memoryMb = 64) => {
    return { ...NO_USAGE, fold, version, memoryMb, readings };
  };
  const merged = mergeUsage([of('a', '1', 1), of('b', '1', 10), of('a', '2', 100), of('a', '1', 2, 128)]);
  expect(merged).toEqual([of('a', '1', 3, 128), of('b', '1', 10), of('a', '2', 100)]);
});
