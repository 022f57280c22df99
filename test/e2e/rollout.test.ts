/** Deployments in waves, with a real hub and a real gateway: what goes well, what fails, and a hub that is killed meanwhile. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const NAME = 'watch';

interface Rollout {
  version: string;
  phase: string;
  goesBackTo?: string;
  why?: string;
  admitted: number;
}

const system = new System();

beforeAll(() => system.startAll());
afterAll(() => system.stop());

function source(version: string, body: string, before = ''): string {
  const text = `
    import { defineFunction } from '@weir/runtime/author';
    ${before}
    export default defineFunction<{ n: number }>({
      name: '${NAME}', version: '${version}', inputs: [{ sensor: 'oven1' }],
      state: () => ({ n: 0 }),
      reading(r, ctx) { ${body} },
    });`;
  return system.file(`${NAME}-${version}.ts`, text);
}

const good = 'ctx.state.n++; ctx.emit({ metric: "count", value: ctx.state.n });';
const publish = (value: number) => system.publish('plant/oven1/temperature', `${value}`);
const run = (...args: string[]) => system.run('weir', ...args, '--hub-data', system.hubData);
const deploy = (file: string, ...more: string[]) => run('fn', 'deploy', file, '--group', 'plant', ...more);
const history = () => system.weirJson<Rollout[]>('deploy', 'history', NAME, '--group', 'plant');
const runs = async (version: string) => {
  const { functions } = await system.agentStatus<{ functions: { name: string; version: string; state: string }[] }>();
  return (
    functions.some((each) => each.name === NAME && each.version === version && each.state === 'running') || undefined
  );
};

test('a version goes through its waves and stands, and the command says each step in words', async () => {
  const { code, stdout } = await deploy(source('1.0.0', good), '--waves', '1,50%,100%', '--soak', '1s');
  expect(stdout).toContain('1.0.0 goes to 1 device in 3 waves: 1, 50%, 100%');
  expect(stdout).toContain('wave 1 of 3 begins with 1 device');
  expect(stdout).toContain('done: 1.0.0 stands in the group');
  expect(code).toBe(0);
  expect(await runs('1.0.0')).toBe(true);
});

test('a version that throws is aborted, all go back by themselves, and the command fails with the reason', async () => {
  for (let n = 0; n < 12; n++) await publish(20);
  const file = source('2.0.0', 'throw new TypeError("no such oven " + r.value);');
  const { code, stdout, stderr } = await deploy(file, '--waves', '1,50%,100%', '--soak', '30s');
  expect(stdout).toMatch(/aborted: 1 of 1 failed: gw1: .*no such oven.*; all go back to 1\.0\.0/);
  expect(stderr).toContain('watch@2.0.0 was aborted');
  expect(code).toBe(1);
  expect(await runs('1.0.0')).toBe(true);
  expect((await history())[0]).toMatchObject({ version: '2.0.0', phase: 'aborted', goesBackTo: '1.0.0', admitted: 1 });
  const devices = await system.weirJson<{ wanted: { version: string }; state: string }[]>('deploy', 'status', NAME);
  expect(devices).toMatchObject([{ wanted: { version: '1.0.0' }, state: 'running' }]);
  // Whoever looks afterwards has it at full length, too.
  const why = /watch.*: 1 of 1 failed: gw1: .*no such oven \d+.*1\.0\.0/;
  expect(await system.weir('deploy', 'status', NAME)).toMatch(why);
  expect(await system.weir('deploy', 'history', '--group', 'plant')).toMatch(why);
});

test('what it waits for is said in the log of a pipeline as well', async () => {
  const inThreeDays = new Date(Date.now() + 3 * 86_400_000).toUTCString().slice(0, 3);
  const window = ['--waves', '1,100%', '--window', `${inThreeDays} 02:00-04:00`, '--timeout', '6s'];
  const { code, stdout } = await deploy(source('2.1.0', good), ...window);
  expect(stdout).toMatch(/it waits: wave 1 of 2: 1 device to be let in; the window is closed until \d{4}-.*T02:00Z/);
  expect(code).toBe(1);
  expect(await system.weir('deploy', 'abort', NAME, '--group', 'plant')).toBe('');
});

test('a rollout is paused, goes on after the hub was killed, and is aborted', async () => {
  const waves = ['--waves', '1,100%', '--soak', '10m', '--no-wait'];
  expect((await deploy(source('3.0.0', good), ...waves)).code).toBe(0);
  await eventually('the first wave', () => runs('3.0.0'));
  const said = await run('deploy', 'pause', NAME, '--group', 'plant');
  expect(said.stderr).toContain('watch@3.0.0 on group plant is paused');
  await system.kill('hub');
  await system.startHub();
  expect((await history())[0]).toMatchObject({ version: '3.0.0', phase: 'paused' });
  expect(await system.weir('deploy', 'status', NAME)).toMatch(/watch +3\.0\.0 +plant +paused/);
  await system.weir('deploy', 'resume', NAME, '--group', 'plant');
  expect(await runs('3.0.0')).toBe(true);
  await system.weir('deploy', 'abort', NAME, '--group', 'plant');
  await eventually('the version before', () => runs('1.0.0'));
  await eventually('its end', async () => (await history())[0]!.phase === 'aborted' || undefined);
  const again = await run('deploy', 'pause', NAME, '--group', 'plant');
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is aborted, and cannot be paused') });
});

test('it is tried again, and a newer deployment takes over', async () => {
  await system.weir('deploy', 'retry', NAME, '--group', 'plant', '--no-wait');
  await eventually('the first wave', () => runs('3.0.0'));
  expect((await deploy(source('4.0.0', good))).code).toBe(0);
  await eventually('the newest', () => runs('4.0.0'));
  expect((await history()).slice(0, 2)).toMatchObject([
    { version: '4.0.0' },
    { version: '3.0.0', phase: 'superseded' },
  ]);
});

test('whoever writes nonsense is told what to write', async () => {
  const { code, stderr } = await deploy(source('5.0.0', good), '--waves', '1,50%');
  expect(stderr).toContain('the last wave must reach all devices, and is 50%');
  expect(stderr).toContain('e.g. 1,50%,100%');
  expect(code).toBe(2);
});
