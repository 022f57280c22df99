/** Two versions on a device, side by side: one feeds outputs, both are compared, and the other takes over. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

interface Candidate {
  version: string;
  state: string;
  reason?: string;
  steps: number;
  differ: number;
  example?: string;
  outputs: { blue: number; green: number };
}

interface AgentStatus {
  functions: { name: string; version: string; state: string; errors: number }[];
  deployments: Record<string, { state: string; candidate?: Candidate }>;
}

const NAME = 'watch';
const system = new System();

beforeAll(async () => {
  await system.startAll();
  await system.weir('fn', 'deploy', source('1.0.0', 'ctx.state.n += 1;'), '--group', 'plant');
});
afterAll(() => system.stop());

function source(version: string, body: string): string {
  const text = `
    import { defineFunction } from '@weir/runtime/author';
    export default defineFunction<{ n: number }>({
      name: '${NAME}', version: '${version}', inputs: [{ sensor: 'oven1' }], timeoutMs: 50,
      state: () => ({ n: 0 }),
      reading(r, ctx) { ${body} ctx.emit({ metric: 'count', value: ctx.state.n }); },
    });`;
  return system.file(`${NAME}-${version}.ts`, text);
}

const publish = () => system.publish('plant/oven1/temperature', '20');
const status = () => system.agentStatus<AgentStatus>();
const counts = async (): Promise<number[]> =>
  (await system.readings('gw1', { sensor: 'oven1', metric: 'count' })).map(({ value }) => value);
const deploy = (version: string, body: string) =>
  system.weir(
    'fn',
    'deploy',
    source(version, body),
    '--group',
    'plant',
    '--blue-green',
    'asked',
    '--soak',
    '1s',
    '--no-wait',
  );

async function candidate(check: (found: Candidate) => boolean): Promise<Candidate> {
  return eventually('the candidate', async () => {
    await publish();
    const found = (await status()).deployments[NAME]?.candidate;
    return found !== undefined && check(found) ? found : undefined;
  });
}

/** Of one by one, until so many are there. */
async function countsAfter(count: number): Promise<number[]> {
  return eventually('counts in the store', async () => {
    const all = await counts();
    return all.length > count ? all : undefined;
  });
}

test('a candidate runs beside what runs, nothing of it leaves the device, and it takes over without a gap', async () => {
  await publish();
  await deploy('2.0.0', 'ctx.state.n += 100;');
  const found = await candidate(({ state, steps }) => state === 'running' && steps >= 3);
  expect(found).toMatchObject({
    version: '2.0.0',
    differ: found.steps,
    outputs: { blue: found.steps, green: found.steps },
  });
  expect(found.example).toMatch(/"reading":"oven1\/count".*the candidate: /);
  const { stdout } = await system.run('weir-agent', 'status', '--data', system.agentData);
  expect(stdout).toMatch(/watch@2\.0\.0, its candidate, is running/);
  expect(await system.weir('deploy', 'status', NAME)).toMatch(/candidate 2\.0\.0 is running: \d+ of \d+ inputs/);
  await system.kill('agent');
  await system.startAgent();
  await candidate(({ steps }) => steps > found.steps);
  expect((await status()).functions).toMatchObject([{ name: NAME, version: '1.0.0', state: 'running' }]);
  const before = await countsAfter(0);
  expect(before).toEqual(before.map((_, at) => at + 1));
  await system.weir('deploy', 'switch', NAME, '--group', 'plant');
  await eventually('the switch', async () => (await status()).functions[0]?.version === '2.0.0' || undefined);
  const blue = (await counts()).filter((count, at, all) => at === 0 || count === all[at - 1]! + 1);
  await publish();
  const after = (await countsAfter(blue.length)).slice(blue.length);
  // What it began with, and a hundred for each reading that it has had since then: each once.
  const own = (after[0]! % 100) + 100 * (blue.length - (after[0]! % 100) + 1);
  expect(after).toEqual(after.map((_, at) => own + 100 * at));
  expect((await status()).deployments[NAME]).not.toHaveProperty('candidate');
});

test('a candidate that loops is stopped and ends its rollout; what runs misses nothing, and it is gone', async () => {
  const before = (await counts()).at(-1)!;
  await deploy('3.0.0', 'for (;;);');
  // Told to the hub, it ends the rollout, and with that the candidate is withdrawn.
  const told = await eventually('the rollout is aborted', async () => {
    await publish();
    const text = await system.weir('deploy', 'history', NAME, '--group', 'plant', '--json');
    return text.includes('"aborted"') ? text : undefined;
  });
  expect(told).toMatch(/had to be stopped/);
  expect((await status()).functions).toMatchObject([{ version: '2.0.0', state: 'running', errors: 0 }]);
  const all = await eventually('counts go on', async () => {
    await publish();
    const last = await counts();
    return last.at(-1)! > before ? last : undefined;
  });
  const since = all.slice(all.indexOf(before));
  expect(since).toEqual(since.map((_, at) => before + 100 * at));
  await eventually('it is gone', async () => {
    const told = (await status()).deployments[NAME];
    return told?.candidate === undefined || undefined;
  });
});
