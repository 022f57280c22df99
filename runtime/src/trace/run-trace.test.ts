import { type Bundle, manifestSchema, type Reading } from '@weir/protocols';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSandbox, type Sandbox } from '../sandbox/sandbox.ts';
import { compareGolden, goldenOf } from './golden.ts';
import { limitOf } from './limits.ts';
import { runTrace, type TraceRunOptions } from './run-trace.ts';

const T0 = 1_700_000_000_000;
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

function built(body: string, manifest: object = {}): { bundle: Bundle; hash: string } {
  const fields = { name: 'f', version: '1', api: 1, inputs: [], handlers: ['reading'], schedules: [], memoryMb: 64 };
  return {
    hash: body,
    bundle: {
      weir: 1,
      kind: 'function',
      manifest: manifestSchema.parse({ ...fields, timeoutMs: 100, ...manifest }),
      code: `let kept = 0; globalThis.__weirDefinition = { name: 'f', version: '1', ${body} };`,
    },
  };
}

const reading = (second: number, value: number): Reading => ({
  sensor: 's',
  metric: 'm',
  value,
  ts: T0 + second * 1000,
});
const run = (from: ReturnType<typeof built>, readings: Reading[], options: Omit<TraceRunOptions, 'sandbox'> = {}) =>
  runTrace(from, readings, { sandbox, ...options });

const counter = built(`
  state: () => ({ sum: 0 }),
  reading(r, ctx) {
    ctx.state.sum += r.value; kept++;
    ctx.emit({ metric: 'sum', value: ctx.state.sum });
    if (r.value > 3) ctx.publish('cmd/x', { sum: ctx.state.sum });
    ctx.alert({ name: 'high', active: ctx.state.sum > 6 });
    ctx.log('at', r.value);
  }`);
const readings = [1, 2, 3, 4, 5, -20].map((value, at) => reading(at, value));

test('a gap of years in a trace is no wait: the device was off', async () => {
  const silent = built(`timers: { t(ctx) { ctx.log('silent'); } }, reading(r, ctx) { ctx.after('1m', 't'); }`, {
    handlers: ['reading', 'timers'],
  });
  const whole = await run(silent, [{ ...reading(0, 1), ts: 5 }, reading(0, 2)]);
  expect(whole.outputs).toMatchObject([{ kind: 'log', log: { text: 'silent', ts: 60_005 } }]);
});

test('outputs, state and timing come out; how the trace is cut and restarts change nothing but the timing', async () => {
  let elapsed = 0;
  const whole = await run(counter, readings, { elapsedMs: () => elapsed++ });
  expect(whole).toMatchObject({ steps: 1, readings: 6, state: { sum: -5 }, status: { state: 'running', errors: 0 } });
  expect(whole.timing!.stepMs).toEqual({ p50: 1, p99: 1, max: 1 });
  expect(whole.timing!.readingUs.p50).toBeCloseTo(1000 / 6);
  const golden = goldenOf(whole);
  expect(golden.match(/"emit"/g)).toHaveLength(6);
  expect(golden).toContain('"state":"firing"');
  for (const options of [{ batch: 1 }, { batch: 4 }, { batch: 1, restartEvery: 1 }, { batch: 2, restartEvery: 2 }]) {
    expect(goldenOf(await run(counter, readings, options)), JSON.stringify(options)).toBe(golden);
  }
});

test('schedules run by the time of the trace, between its readings and after them; a late reading does not set it back', async () => {
  const beat = built(
    `reading(r, ctx) { ctx.log('r', r.value); },
     schedule: [{ name: 'b', every: 2000, run(ctx) { ctx.log('beat', ctx.now - ${T0}); } }]`,
    { handlers: ['reading', 'schedule'], schedules: [{ name: 'b', every: 2000 }] },
  );
  const { outputs } = await run(beat, [reading(0, 0), reading(3, 3), reading(1, 1), reading(4.5, 4)], {
    tailMs: 2_000,
  });
  expect(outputs.map((output) => output.kind === 'log' && output.log.text)).toEqual([
    'r 0',
    'beat 2000',
    'r 3',
    'r 1',
    'beat 4000',
    'r 4',
    'beat 6000',
  ]);
});

test('errors and limits are told one by one, with the reading that was left out', async () => {
  const bad = built(`reading(r, ctx) {
    if (r.value === 2) throw new Error('two');
    if (r.value === 4) for (;;);
    ctx.emit({ metric: 'ok', value: r.value });
  }`);
  const { outputs, status } = await run(bad, readings.slice(0, 5), { batch: 1 });
  expect(outputs.filter(({ kind }) => kind === 'error')).toMatchObject([
    {
      error: {
        kind: 'threw',
        message: 'Error: two',
        place: expect.stringMatching(/^function\.js:/),
        reading: readings[1],
      },
    },
    { error: { kind: 'timed-out' } },
  ]);
  expect(outputs.filter(({ kind }) => kind === 'emit')).toHaveLength(3);
  expect(status.errors).toBe(2);
});

test.each([
  ['time', 'for (;;);', 50],
  ['memory', 'const all = []; for (;;) all.push(new Array(1000).fill(1))', 5_000],
  ['outputs', 'for (;;) ctx.emit({ metric: "m", value: 1 })', 5_000],
  ['outputs', 'for (let i = 0; i < 10000; i++) ctx.publish("t", "x".repeat(1000))', 5_000],
  ['state', 'ctx.state.text = "x".repeat(300000)', 5_000],
] as const)('the limit of %s is known as such: %s', async (limit, body, timeoutMs) => {
  const { outputs } = await run(built(`reading(r, ctx) { ${body} }`, { memoryMb: 16, timeoutMs }), [reading(0, 1)]);
  expect(outputs.map((output) => output.kind === 'error' && limitOf(output.error))).toEqual([limit]);
});

test('a function that does not start is no empty run', async () => {
  await expect(run(built('reading() {} }; throw new Error("no"); ({'), readings)).rejects.toMatchObject({
    code: 'function-failed',
    message: expect.stringContaining('no'),
  });
});

describe('a golden file', () => {
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => `{"n":${from + at}}\n`).join('');

  test('that is the same to the byte differs in nothing', () => {
    expect(compareGolden(lines(0, 9), lines(0, 9))).toBeUndefined();
  });
  const differs = (title: string, golden: string, now: string, expected: string) =>
    test(title, () => expect(compareGolden(golden, now)).toBe(expected));
  differs(
    'is compared line by line, with what stands around',
    lines(0, 20),
    `${lines(0, 5)}{"n":"new"}\n${lines(5, 14)}${lines(15, 20)}`,
    [
      '@@ line 4 @@  - golden  + now',
      '  {"n":3}',
      '  {"n":4}',
      '+ {"n":"new"}',
      '  {"n":5}',
      '  {"n":6}',
      '  …',
      '  {"n":12}',
      '  {"n":13}',
      '- {"n":14}',
      '  {"n":15}',
      '  {"n":16}',
      '',
    ].join('\n'),
  );
  differs('may end too early', lines(0, 2), lines(0, 1), '@@ line 1 @@  - golden  + now\n  {"n":0}\n- {"n":1}\n');
  test('that is another altogether is shown in part', () => {
    for (const count of [100, 5_000]) {
      const shown = compareGolden(lines(0, count), lines(count, 2 * count))!.split('\n');
      expect(shown.length).toBeLessThan(70);
      expect(shown.join('\n')).toMatch(/… and \d+ more lines/);
    }
  });
});
