/** What becomes of a deployment on a device whose configuration changes, whose power fails, and that a version ends. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

/** As many steps that went well make a version good. */
const GOOD_STEPS = 10;

interface FunctionStatus {
  name: string;
  version: string;
  state: string;
  steps: number;
  inPlaceOf?: { version: string; state: string; reason: string };
}

interface AgentStatus {
  functions: FunctionStatus[];
  deployments: Record<string, { state: string; config?: string; proven?: boolean }>;
  trials: { name: string; halves: number }[];
  sandbox: { restarts: number };
}

const system = new System();

beforeAll(async () => {
  await system.startAll();
  await system.weir('fn', 'deploy', source('watch', '1.0.0'), '--group', 'plant', '--config', 'step=1');
  await system.weir('fn', 'deploy', source('beside', '1.0.0'), '--group', 'plant');
  await proven('watch');
});
afterAll(() => system.stop());

/** Counts by what is configured; readings of `oven1` only, so that one can be left alone. */
function source(name: string, version: string, inputs = "[{ sensor: 'oven1' }]"): string {
  const text = `
    import { defineFunction } from '@weir/runtime/author';
    export default defineFunction<{ n: number }, { step?: number }>({
      name: '${name}', version: '${version}', inputs: ${inputs},
      state: () => ({ n: 0 }),
      reading(r, ctx) { ctx.state.n += ctx.config.step ?? 1; ctx.emit({ metric: '${name}-count', value: ctx.state.n }); },
    });`;
  return system.file(`${name}-${version}.ts`, text);
}

const publish = (value = 20) => system.publish('plant/oven1/temperature', `${value}`);
const status = () => system.agentStatus<AgentStatus>();
const functionOf = async (name: string) => (await status()).functions.find((each) => each.name === name)!;
const counts = async (name: string): Promise<number[]> =>
  (await system.readings('gw1', { sensor: 'oven1', metric: `${name}-count` })).map(({ value }) => value);

async function proven(name: string): Promise<void> {
  await eventually(`${name} is proven`, async () => {
    for (let n = 0; n < 4; n++) await publish();
    const { functions, deployments } = await status();
    const steps = functions.find((each) => each.name === name)?.steps ?? 0;
    return (steps >= GOOD_STEPS && deployments[name]?.proven) || undefined;
  });
}

/** All that was published until now is in the store; of each step the count, in order. */
async function allCounts(name: string): Promise<number[]> {
  const before = (await counts(name)).length;
  await publish();
  return eventually('the next count', async () => {
    const all = await counts(name);
    return all.length > before ? all : undefined;
  });
}

test('another configuration of the same bundle takes over without a restart: nothing is lost, and neighbours do not notice', async () => {
  const before = await allCounts('watch');
  const neighbour = await functionOf('beside');
  const { sandbox } = await status();
  await system.weir('fn', 'deploy', source('watch', '1.0.0'), '--group', 'plant', '--config', 'step=100');
  const after = (await allCounts('watch')).slice(before.length);
  const steps = after.map((count, at) => count - (after[at - 1] ?? before.at(-1)!));
  // Each was counted once, by the one or by the other; the last by the new one.
  expect(steps.every((step) => step === 1 || step === 100)).toBe(true);
  expect(steps.at(-1)).toBe(100);
  expect((await status()).sandbox).toEqual(sandbox);
  expect((await functionOf('beside')).steps).toBeGreaterThan(neighbour.steps);
  expect(await allCounts('beside')).toEqual(Array.from(await counts('beside'), (_, at) => at + 1));
  expect((await status()).deployments.watch).toMatchObject({ state: 'running', config: expect.any(String) });
  await system.weir('fn', 'deploy', source('watch', '1.0.0'), '--group', 'plant', '--config', 'step=1');
});

test('killed at any moment of a deployment, a device runs the old or the new version, never none, and gets there', async () => {
  const delaysMs = [0, 100, 400];
  for (const [at, delayMs] of delaysMs.entries()) {
    const [old, version] = [`2.0.${at - 1}`, `2.0.${at}`];
    await system.weir('fn', 'deploy', source('watch', version), '--group', 'plant', '--config', 'step=1', '--no-wait');
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await system.kill('agent');
    await system.startAgent();
    const found = await functionOf('watch');
    expect(found, `killed ${delayMs} ms after ${version} was wanted`).toMatchObject({ state: 'running' });
    expect([at === 0 ? '1.0.0' : old, version]).toContain(found.version);
    await eventually(`${version} runs`, async () => (await functionOf('watch')).version === version || undefined);
    await publish();
  }
  await proven('watch');
  const last = (await allCounts('watch')).slice(-GOOD_STEPS);
  expect(last).toEqual(last.map((_, at) => last[0]! + at));
});

test('a version that an agent does not survive three times is put aside: the last good one goes on, and all are told why', async () => {
  await proven('watch');
  const { version: good } = await functionOf('watch');
  // It gets no readings, so nothing proves it.
  await system.weir('fn', 'deploy', source('watch', '3.0.0', "[{ sensor: 'nobody' }]"), '--group', 'plant');
  for (let end = 1; end <= 3; end++) {
    expect(await functionOf('watch')).toMatchObject({ version: '3.0.0', state: 'running' });
    await system.kill('agent');
    await system.startAgent();
    if (end === 1) {
      const { stdout } = await system.run('weir-agent', 'status', '--data', system.agentData);
      expect(stdout).toMatch(/watch@3\.0\.0 is on trial; the agent ended 1 times since/);
    }
  }
  const reason = 'while it was on trial the agent ended 3 times without having been told to';
  expect(await functionOf('watch')).toMatchObject({ version: good, inPlaceOf: { version: '3.0.0', reason } });
  const found = await eventually('the hub knows', async () => {
    const [row] = await system.weirJson<{ state: string; reported?: object }[]>(
      'deploy',
      'status',
      'watch',
      '--device',
      'gw1',
    );
    return row?.state === 'quarantined' ? row : undefined;
  });
  expect(found.reported).toMatchObject({ version: '3.0.0', reason, running: { version: good } });
  const all = await allCounts('watch');
  expect(all.at(-1)).toBe(all.at(-2)! + 1);
});
