/** Rules in all their forms, on real gateways and a real hub: a ladder by tags, a function as condition, several devices together. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const one = new System();
/** A second gateway; its hub is that of the first. */
const two = new System();

beforeAll(async () => {
  await one.startAll();
  two.hubPorts = one.hubPorts;
  const { token } = await one.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
  await two.join('gw2', token);
  await two.startAgent();
});
afterAll(async () => {
  await two.stop();
  await one.stop();
});

interface EpisodeRow {
  device: string;
  source: { name: string };
  state: string;
  severity: string;
}
const alerts = async (rule: string) =>
  (await one.weirJson<EpisodeRow[]>('alert', 'list'))
    .filter(({ source }) => source.name === rule)
    .map(({ device, state, severity }) => `${device} ${state} ${severity}`);
const alertIs = (rule: string, expected: string) =>
  eventually(`${rule}: ${expected}`, async () => ((await alerts(rule)).includes(expected) ? true : undefined), 30_000);

const send = async (system: System, series: string, value: string) =>
  expect(await system.publish(`plant/${series}`, value)).toMatchObject({ code: 0 });

interface Shown {
  hash: string;
  rule: object;
  devices: { device: string; state: string; levels: { value: unknown; from: string }[] }[];
}
const levels = async () =>
  (await one.weirJson<Shown>('rule', 'show', 'ladder', '--group', 'plant')).devices
    .map(({ device, state, levels: [level] }) => `${device} ${state} ${level?.value} ${level?.from}`)
    .sort();
const levelsAre = (...expected: string[]) =>
  eventually(`levels ${expected}`, async () => ((await levels()).join() === expected.join() ? true : undefined));

test('a ladder whose level is a tag: another tag is another level of the same version, and what is open goes on', async () => {
  const ladder = one.file(
    'ladder.yaml',
    `name: ladder
sensor: oven*
metric: temperature
severities:
  warning: { above: 70, clear: 65 }
  critical: { above: { tag: max-temp, default: 80 } }
resolveAfter: 12h
`,
  );
  await one.weir('rule', 'apply', ladder, '--group', 'plant');
  await levelsAre('gw1 running 80 default', 'gw2 running 80 default');
  await send(one, 'oven1/temperature', '85');
  await alertIs('ladder', 'gw1 firing critical');

  await one.weir('device', 'tag', 'gw1', 'max-temp=95');
  await levelsAre('gw1 running 95 tag', 'gw2 running 80 default');
  await send(one, 'oven1/temperature', '86');
  await alertIs('ladder', 'gw1 firing warning');
  await send(two, 'oven1/temperature', '86');
  await alertIs('ladder', 'gw2 firing critical');
  await send(one, 'oven1/temperature', '20');
  await alertIs('ladder', 'gw1 resolved warning');
  expect((await alerts('ladder')).filter((row) => row.startsWith('gw1'))).toHaveLength(1);

  const shown = await one.weir('rule', 'show', 'ladder', '--group', 'plant');
  expect(shown).toMatch(/above: 70[\s\S]*tag: max-temp[\s\S]*gw1 +running +95 \(tag\)\n *gw2 +running +80 \(default\)/);

  const { rule, hash } = await one.weirJson<Shown>('rule', 'show', 'ladder', '--group', 'plant');
  expect(rule).toMatchObject({ resolveAfter: '12h' });
  await one.weir('rule', 'apply', one.file('shown.json', JSON.stringify(rule)), '--group', 'plant');
  expect((await one.weirJson<Shown>('rule', 'show', 'ladder', '--group', 'plant')).hash).toBe(hash);
});

test('a rule in TypeScript with a function as its condition runs on the gateway', async () => {
  const uneven = one.file(
    'uneven.ts',
    `import { threshold } from '@weir/runtime/author';
export default threshold({
  name: 'uneven', sensor: 'top', metric: 'heat', by: 'device', inputs: [{ sensor: 'bottom', metric: 'heat' }], severity: 'critical',
  when: (readings) => {
    const top = readings.number('heat', 'top');
    const bottom = readings.number('heat', 'bottom');
    if (top === 666) throw new Error('broken');
    return top === undefined || bottom === undefined ? undefined : Math.abs(top - bottom) > 10;
  },
});
`,
  );
  await one.weir('rule', 'apply', uneven, '--group', 'plant');
  expect(await one.weir('rule', 'list')).toMatch(/uneven +\w+ +plant +edge/);
  await send(one, 'top/heat', '100');
  await send(one, 'bottom/heat', '95');
  await send(one, 'bottom/heat', '80');
  await alertIs('uneven', 'gw1 firing critical');
  await send(one, 'top/heat', '666');
  await eventually('the error is logged', async () => {
    return (await one.weir('fn', 'logs', 'uneven')).includes('Error: broken') ? true : undefined;
  });
  expect(await alerts('uneven')).toEqual(['gw1 firing critical']);
  await send(one, 'top/heat', '82');
  await alertIs('uneven', 'gw1 resolved critical');
});

test('a rule over a group counts in how many of its devices it holds, and runs in the hub', async () => {
  const both = one.file(
    'both.yaml',
    'name: both\nby: group\nsensor: hall\nmetric: temperature\nabove: 35\ninAtLeast: 2\nseverity: critical\n',
  );
  const { stderr } = await one.run('weir', 'rule', 'apply', both, '--group', 'plant', '--hub-data', one.hubData);
  expect(stderr).toContain('once for all of them, as plant/both');
  await send(one, 'hall/temperature', '40');
  await send(two, 'hall/temperature', '20');
  await send(two, 'hall/temperature', '41');
  await alertIs('both', 'plant/both firing critical');
  expect(await alerts('both')).toHaveLength(1);
  await send(one, 'hall/temperature', '20');
  await alertIs('both', 'plant/both resolved critical');
});

test('a rule that makes no sense is refused with its places, and nothing is deployed', async () => {
  const wrong = one.file('wrong.yaml', 'name: wrong\nmetric: t\nabove: 80\nclear: 85\nschedule: { times: "8-9" }\n');
  const { code, stderr } = await one.run('weir', 'rule', 'apply', wrong, '--group', 'plant', '--hub-data', one.hubData);
  expect(code).toBe(2);
  expect(stderr).toMatch(/wrong\.yaml:5:13: schedule\.times\.0: /);
  const source =
    "import { threshold } from '@weir/runtime/author';\nexport default threshold({ name: 'wrong',\n  for: 30 });\n";
  const typed = one.file('wrong.ts', source);
  const again = await one.run('weir', 'rule', 'apply', typed, '--group', 'plant', '--hub-data', one.hubData);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('wrong.ts:3:3: for: 30 has no unit') });
  expect(await one.weir('rule', 'list')).not.toContain('wrong');
});

test('a starter is a rule that passes its test', async () => {
  const folder = `${one.folder}/starter`;
  const made = await one.weir('rule', 'new', 'my-rule', '--dir', folder);
  expect(made.split('\n').slice(0, 2)).toEqual([
    expect.stringMatching(/my-rule\.yaml$/),
    expect.stringMatching(/my-rule\.test\.yaml$/),
  ]);
  expect(readFileSync(`${folder}/my-rule.yaml`, 'utf8')).toContain('name: my-rule');
  const { code, stdout, stderr } = await one.run('weir', 'rule', 'test', folder);
  expect(code, stdout + stderr).toBe(0);
  expect((await one.run('weir', 'rule', 'new', 'my-rule', '--dir', folder)).code).toBe(2);
});
