import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { columnsOf, type JsonObject, type Reading, readingsOf } from '@weir/protocols';
import {
  buildForwardingBundle,
  buildFunctionBundle,
  buildRuleBundle,
  caseReport,
  compareGolden,
  createFoldHost,
  createSandbox,
  type FoldHost,
  forwardTrace,
  goldenOf,
  type HttpRequest,
  loadCases,
  readTrace,
  runCase,
  runTrace,
  type Sandbox,
  type StepOutput,
  type TraceOptions,
  type TraceRunOptions,
} from '@weir/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TRACES } from './traces/generate.fixture.ts';

const T0 = 1_700_000_000_000;
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

interface Example extends TraceOptions {
  config?: JsonObject;
  tailMs?: number;
}

/** How each function is run over its trace; what is not said is as `weir fn test` has it. */
const FUNCTIONS: Record<string, Example> = {
  'cross-check': {},
  'dead-band': {},
  'door-watch': { tailMs: 60_000 },
  'energy-meter': {},
  'group-mean': {},
  'moving-average': { config: { window: 5 } },
  'pump-hours': { config: { serviceHours: 3 } },
  'robust-anomaly': { sensor: 'machine1', metric: 'temperature' },
  silence: { tailMs: 600_000 },
  'tank-interlock': { tailMs: 60_000 },
  'vibration-band': {},
  'window-mean': {},
  'work-order': {},
};

describe.each(Object.entries(FUNCTIONS))('%s', (name, { config = {}, tailMs = 0, ...series }) => {
  let bundle: ReturnType<typeof buildFunctionBundle> | undefined;
  const run = async (options: Partial<TraceRunOptions> = {}) => {
    bundle ??= buildFunctionBundle(path(`functions/${name}.ts`));
    const built = await bundle;
    const readings = readTrace(`${name}.csv`, readFileSync(path(`traces/${name}.csv`)), series);
    return runTrace(built, readings, { sandbox, config, tailMs, ...options });
  };

  test('makes of its trace what its golden file has', async () => {
    const outcome = await run();
    expect(outcome.outputs.filter(({ kind }) => kind === 'error')).toEqual([]);
    const golden = readFileSync(path(`traces/${name}.golden.jsonl`), 'utf8');
    expect(compareGolden(golden, goldenOf(outcome))).toBeUndefined();
  });

  test('does not depend on how readings are cut into steps, nor on restarts', async () => {
    const golden = readFileSync(path(`traces/${name}.golden.jsonl`), 'utf8');
    expect(compareGolden(golden, goldenOf(await run({ batch: 1_000 })))).toBeUndefined();
    expect(compareGolden(golden, goldenOf(await run({ batch: 7, restartEvery: 5 })))).toBeUndefined();
  });
});

/** What each policy is tried with, and how far the hub may be off; @see `weir forward test`. */
const POLICIES: Record<string, { trace: string; offMax: Record<string, number> } & TraceOptions> = {
  'thin-line': { trace: 'traces/thin-line.csv', offMax: { temperature: 0.5, flow: 0.13 } },
  machine: {
    trace: '../devices/traces/machine_temperature.csv',
    offMax: { temperature: 2 },
    sensor: 'machine1',
    metric: 'temperature',
  },
};

describe.each(Object.entries(POLICIES))('the policy %s', (name, { trace, offMax, ...series }) => {
  const run = async (options = {}) => {
    const { bundle } = await buildForwardingBundle(path(`forwarding/${name}.yaml`));
    const readings = readTrace(trace, readFileSync(path(trace)), series);
    return { ...forwardTrace(bundle.forwarding, readings, options), readings };
  };
  const golden = (outcome: ReturnType<typeof forwardTrace>) =>
    goldenOf({ outputs: outcome.sent.map((emit) => ({ kind: 'emit', emit })), state: outcome.entries });

  test('sends of its trace what its golden file has, also when the device restarts', async () => {
    const kept = readFileSync(path(`traces/${name}.forwarded.jsonl`), 'utf8');
    expect(compareGolden(kept, golden(await run()))).toBeUndefined();
    expect(compareGolden(kept, golden(await run({ restartEvery: 97 })))).toBeUndefined();
  });

  test('leaves the hub no further off than its band, and tells of each reading in one window', async () => {
    const { sent, readings, series: all } = await run();
    const off = all
      .filter(({ metric }) => metric in offMax)
      .map(({ metric, errorMax }) => [metric, errorMax! <= offMax[metric]! + 1e-9]);
    expect(off).toEqual(Object.keys(offMax).map((metric) => [metric, true]));
    const counted = sent
      .filter(({ metric }) => metric.endsWith('.count'))
      .reduce((sum, { value }) => sum + Number(value), 0);
    expect(counted).toBe(readings.filter(({ metric }) => metric.startsWith('vibration')).length);
  });
});

test.each(Object.entries(TRACES))('the trace %s is the one that is made from its seed', async (name, make) => {
  await expect(make()).toMatchFileSnapshot(path(`traces/${name}`));
});

test('the slice of the machine is as it was recorded', () => {
  const recorded = readFileSync(path('../devices/traces/machine_temperature.csv'), 'utf8');
  const [heading, ...rows] = readFileSync(path('traces/robust-anomaly.csv'), 'utf8').split('\n');
  expect(recorded.startsWith(`${heading}\n`) && recorded.includes(`\n${rows.join('\n')}`)).toBe(true);
});

test('every example has a test here', () => {
  const names = (folder: string) => readdirSync(path(folder)).map((name) => name.replace(/\.\w+$/, ''));
  expect(names('functions').sort()).toEqual(Object.keys(FUNCTIONS));
  const rules = readdirSync(path('rules'));
  const untested = rules.filter(
    (name) => !/\.test\.yaml$/.test(name) && !rules.includes(name.replace(/\.\w+$/, '.test.yaml')),
  );
  expect(untested).toEqual([]);
  expect(names('forwarding').sort()).toEqual(Object.keys(POLICIES).sort());
});

const step = (host: FoldHost, readings: Reading[]): Promise<StepOutput> =>
  host.step({ position: `${readings[0]!.ts}`, receivedAt: readings.at(-1)!.ts, columns: columnsOf(readings) });

const at = (second: number, sensor: string, metric: string, value: number | boolean): Reading => ({
  sensor,
  metric,
  value,
  ts: T0 + second * 1000,
});
/** Each as `weir rule test` runs it. */
describe.each(readdirSync(path('rules')).filter((name) => name.endsWith('.test.yaml')))('rules/%s', (file) => {
  test('is as it says', async () => {
    const text = readFileSync(path(`rules/${file}`), 'utf8');
    const ruleFile = (rule = file.replace('.test.yaml', '.yaml')) => path(`rules/${rule}`);
    const { built, cases, facts, levelsOf } = await loadCases(file, text, (rule) => buildRuleBundle(ruleFile(rule)));
    const failed: string[] = [];
    for (const each of cases) {
      const outcome = await runCase(built, each, { sandbox, ...facts });
      if (outcome.mismatches.length + outcome.faults.length === 0) continue;
      const shown = { file, width: 80, colours: false, levels: levelsOf(each) };
      failed.push(each.name, ...caseReport(each, outcome, shown));
    }
    expect(failed, failed.join('\n')).toEqual([]);
  });
});

test('work-order keeps the number that comes back, says when none does, and then asks again', async () => {
  const { bundle, hash } = await buildFunctionBundle(path('functions/work-order.ts'));
  const host = createFoldHost({ device: 'gw1', sandbox });
  await host.deploy([{ name: 'work-order', bundle, hash, config: {} }], new Map(), '0', T0);
  const ask = async (second: number) => (await step(host, [at(second, 'filter1', 'pressure_loss', 300)])).requests;
  const answer = async ({ id, fold, key, name }: HttpRequest, what: object, now: number) =>
    (await host.event({ kind: 'response', response: { id, fold, key, name, ...what } }, `response.${id}`, T0 + now))!;

  const [first] = await ask(0);
  expect(await ask(1)).toEqual([]);
  const failed = await answer(first!, { error: 'no answer within 10000 ms, after 11 attempts' }, 2_000);
  expect(failed.alerts).toMatchObject([{ state: 'firing', summary: expect.stringContaining('no answer within') }]);

  const [second] = await ask(3);
  expect(second!.id).not.toBe(first!.id);
  const placed = await answer(second!, { status: 201, body: '{"number":17}' }, 4_000);
  expect([...readingsOf(placed.emitted)]).toMatchObject([{ sensor: 'filter1', metric: 'work_order', value: 17 }]);
  expect(placed.alerts).toMatchObject([{ state: 'resolved' }]);
  expect(await ask(5)).toEqual([]);
});
