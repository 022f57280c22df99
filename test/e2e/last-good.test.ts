import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const NAME = 'watch';
/** As many steps that went well make a version good. */
const GOOD_STEPS = 10;

interface FunctionStatus {
  name: string;
  version: string;
  state: string;
  steps: number;
  inPlaceOf?: { version: string; state: string; reason: string };
}

interface DeploymentRow {
  state: string;
  wanted?: { version: string };
  reported?: { version: string; reason?: string; running?: { version: string; hash: string } };
}

const system = new System();

beforeAll(() => system.startAll());
afterAll(() => system.stop());

function source(version: string, body: string, before = '', name = NAME): string {
  const text = `
    import { defineFunction } from '@weir/runtime/author';
    ${before}
    export default defineFunction<{ n: number }>({
      name: '${name}', version: '${version}', inputs: [{ sensor: 'oven1' }], timeoutMs: 50, memoryMb: 16,
      state: () => ({ n: 0 }),
      reading(r, ctx) { ${body} },
    });`;
  return system.file(`${name}-${version}.ts`, text);
}

const counting = `ctx.state.n++; ctx.emit({ metric: 'count', value: ctx.state.n });
  ctx.alert({ name: 'high', active: (r.value as number) > 80 });`;

const publish = (value: number) => system.publish('plant/oven1/temperature', `${value}`);
const running = async (): Promise<FunctionStatus> =>
  (await system.agentStatus<{ functions: FunctionStatus[] }>()).functions.find(({ name }) => name === NAME)!;
const row = async (name = NAME): Promise<DeploymentRow> =>
  (await system.weirJson<DeploymentRow[]>('deploy', 'status', name, '--device', 'gw1'))[0]!;
const counts = async (metric = 'count'): Promise<number[]> =>
  (await system.readings('gw1', { sensor: 'oven1', metric })).map(({ value }) => value);

/** Counting goes on, from where it was, without a number twice. */
async function countsOn(metric = 'count'): Promise<void> {
  const before = (await counts(metric)).length;
  await publish(20);
  const found = await eventually('the next count', async () => {
    const all = await counts(metric);
    return all.length > before ? all : undefined;
  });
  expect(found).toEqual(Array.from(found, (_, at) => at + 1));
}

test('a version runs and proves itself', async () => {
  await system.weir('fn', 'deploy', source('1.0.0', counting), '--group', 'plant');
  await eventually('enough steps', async () => {
    await publish(20);
    return (await running()).steps >= GOOD_STEPS || undefined;
  });
  await eventually('its counts in the store', async () => (await counts()).length >= GOOD_STEPS || undefined);
  await countsOn();
});

/** What nothing has been before it takes over, so that its trial shows nothing. */
const ODD = 21;
const versions: [title: string, version: string, body: string, before: string, state: string, reason: RegExp][] = [
  [
    'throws at all that came last',
    '2.0.0',
    'throw new Error("boom " + r.value);',
    '',
    'failed',
    /failed at what came last.*boom/,
  ],
  ['throws at what comes', '2.0.1', `if (r.value === ${ODD}) throw new Error("boom");`, '', 'quarantined', /boom/],
  ['loops for ever', '2.0.3', `ctx.state.n = NaN; for (; r.value === ${ODD}; );`, '', 'quarantined', /timed-out/],
  [
    'cannot be loaded in its memory',
    '2.0.2',
    'ctx.state.n = table.length;',
    'const table = new Array<number>(5_000_000).fill(1.5);',
    'failed',
    /memory/,
  ],
];

describe.each(versions)('a version that %s', (_title, version, body, before, state, reason) => {
  test('gives way to the last good one, is told with its reason and with what runs, and is no success', async () => {
    const deploy = ['fn', 'deploy', source(version, body, before), '--group', 'plant', '--no-wait'];
    await system.weir(...deploy);
    const found = await eventually('the failure', async () => {
      await publish(ODD);
      const status = await row();
      return status.wanted?.version === version && status.state === state ? status : undefined;
    });
    expect(found.reported).toMatchObject({ version, running: { version: '1.0.0' } });
    expect(found.reported!.reason).toMatch(reason);
    expect(await running()).toMatchObject({ version: '1.0.0', state: 'running', inPlaceOf: { version, state } });
    expect(await system.weir('deploy', 'status', NAME)).toMatch(new RegExp(`${version} +${state} +1.0.0 runs in its`));
    expect(await system.weir('device', 'show', 'gw1')).toContain(`${NAME} is ${state}: 1.0.0 runs in its place; `);
    const { stdout } = await system.run('weir-agent', 'status', '--data', system.agentData);
    expect(stdout).toMatch(new RegExp(`${NAME} +function +1.0.0 +running .*in place of ${version}, which is ${state}`));
    await countsOn();
    // To wait for it is to wait in vain, and ends so.
    const again = await system.run('weir', ...deploy.slice(0, -1), '--hub-data', system.hubData);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining(`${NAME} does not run on gw1`)]);
  });

  test('is not tried again by an agent that was killed and started again', async () => {
    await system.kill('agent');
    await system.startAgent();
    expect(await running()).toMatchObject({ version: '1.0.0', state: 'running', inPlaceOf: { version, state } });
    await countsOn();
    expect(await row()).toMatchObject({ state, reported: { running: { version: '1.0.0' } } });
  });
});

test('going back to what runs makes it what is wanted', async () => {
  await system.weir('fn', 'deploy', source('1.0.0', counting), '--group', 'plant');
  expect(await row()).toMatchObject({ state: 'running', reported: { version: '1.0.0' } });
  expect(await running()).not.toHaveProperty('inPlaceOf');
  await countsOn();
});

test('a version that is well takes over from there', async () => {
  await system.weir('fn', 'deploy', source('3.0.0', counting), '--group', 'plant');
  expect(await row()).toMatchObject({ state: 'running', reported: { version: '3.0.0' } });
  await countsOn();
  await system.weir('fn', 'rollback', NAME, '--group', 'plant');
  expect(await row()).toMatchObject({ state: 'running', reported: { version: '1.0.0' } });
  await countsOn();
});

test('in the cloud a version that fails gives way as well, also when the hub is killed after that', async () => {
  const name = 'cloud-watch';
  const inCloud = ['--group', 'plant', '--where', 'cloud'];
  const cloudCounting = `ctx.state.n++; ctx.emit({ metric: 'cloud_count', value: ctx.state.n });`;
  await system.weir('fn', 'deploy', source('1.0.0', cloudCounting, '', name), ...inCloud);
  // Until its version is good: one reading each, so that none shares a step with another.
  for (let n = 0; n <= GOOD_STEPS; n++) await countsOn('cloud_count');
  await system.weir('fn', 'deploy', source('2.0.0', 'throw new Error("boom");', '', name), ...inCloud);
  const found = await eventually('the quarantine', async () => {
    await publish(20);
    const status = await row(name);
    return status.state === 'quarantined' ? status : undefined;
  });
  expect(found.reported).toMatchObject({ version: '2.0.0', running: { version: '1.0.0' } });
  await countsOn('cloud_count');
  await system.kill('hub');
  await system.startHub();
  await countsOn('cloud_count');
  expect(await system.weir('device', 'show', 'gw1')).toContain(`${name} is quarantined: 1.0.0 runs in its place; `);
});
