/** A function with one state for its group, on a real hub with two gateways that come, go and are killed. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, exampleFile, System } from '../support/system.ts';

const GATHERER = 'plant/group-mean';

const one = new System();
/** A second gateway; its hub is that of the first. */
const two = new System();

beforeAll(async () => {
  one.hubConfig = one.file('hub.yaml', 'front: { returnWithin: 12s }\n');
  await one.startAll();
  two.hubPorts = one.hubPorts;
  const { token } = await one.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
  await two.join('gw2', token);
  await two.startAgent();
  await one.weir('fn', 'deploy', exampleFile('functions/group-mean.ts'), '--group', 'plant', '--where', 'cloud');
  const rule = one.file('mean-high.yaml', 'name: mean-high\nmetric: temperature_mean\nabove: 50\nclear: 45\n');
  await one.weir('rule', 'apply', rule, '--group', 'plant', '--where', 'cloud');
});

afterAll(async () => {
  await two.stop();
  await one.stop();
});

/** Each is to give one mean. */
let measured = 0;
const measure = async (system: System, value: number) => {
  measured++;
  expect(await system.publish('plant/room/temperature', `${value}`)).toMatchObject({ code: 0 });
};

/** Means in the order in which they were made, without the mean of the time between two readings. */
async function means(): Promise<number[]> {
  const items = await one.readings(GATHERER, { metric: 'temperature_mean' });
  const number = ({ id }: { id: string }) => Number(id.split('/').at(-1));
  return items.toSorted((a, b) => number(a) - number(b)).map(({ value }) => value);
}
const meanBecomes = (value: number) =>
  eventually(`a mean of ${value}`, async () => ((await means()).at(-1) === value ? true : undefined));

interface EpisodeRow {
  device: string;
  source: { name: string };
  state: string;
  summary: string;
}
const alerts = async () => {
  const rows = await one.weirJson<EpisodeRow[]>('alert', 'list');
  return rows.map(({ device, source, state, summary }) => `${device} ${source.name} ${state}: ${summary}`);
};
const alertIs = (begin: string) =>
  eventually(`the alert "${begin}"`, async () => {
    return (await alerts()).some((text) => text.startsWith(begin)) ? true : undefined;
  });

test('it is shown once, under the name of its group and its own', async () => {
  const row = await eventually('it runs', async () => {
    const rows = await one.weirJson<{ device: string; state: string }[]>('deploy', 'status', 'group-mean');
    return rows[0]?.state === 'running' ? rows : undefined;
  });
  expect(row).toMatchObject([{ device: GATHERER, state: 'running' }]);
  const devices = await one.weirJson<{ id: string }[]>('device', 'list');
  expect(devices.map(({ id }) => id)).toEqual(['gw1', 'gw2']);
});

test('the mean is that of both gateways, and a rule over it raises an alert of its name', async () => {
  await measure(one, 10);
  await meanBecomes(10);
  await measure(two, 30);
  await meanBecomes(20);
  await measure(one, 90);
  await meanBecomes(60);
  await alertIs(`${GATHERER} mean-high firing`);
  await measure(one, 10);
  await meanBecomes(20);
  expect((await alerts()).filter((text) => text.includes('mean-high'))).toHaveLength(1);
});

test('a gateway that dies is an alert, and no part of the mean, until it is back', async () => {
  await two.kill('agent');
  await alertIs(`${GATHERER} group-mean firing: gw2 is offline`);
  await measure(one, 12);
  await meanBecomes(12);
  await two.startAgent();
  await alertIs(`${GATHERER} group-mean resolved: gw2 is back`);
  await measure(two, 24);
  await meanBecomes(18);
});

test('a hub that is killed and comes back: who is back has not been away, who is not has gone', async () => {
  const before = (await alerts()).length;
  await one.kill('hub');
  await two.kill('agent');
  await measure(one, 40);
  await one.startHub();
  await eventually('gw2 is gone', async () =>
    (await alerts())[0] === `${GATHERER} group-mean firing: gw2 is offline` ? true : undefined,
  );
  expect((await alerts()).filter((text) => text.includes('gw1 is'))).toEqual([]);
  expect((await alerts()).length).toBe(before + 1);
  await measure(one, 42);
  await meanBecomes(42);
  expect((await means()).length).toBe(measured);
});

test('taken off, it ends its alerts and forgets what it gathered', async () => {
  await one.weir('fn', 'remove', 'group-mean', '--group', 'plant');
  await eventually('its alerts ended', async () => {
    const firing = (await alerts()).filter((text) => text.includes('firing'));
    return firing.length === 0 ? true : undefined;
  });
  const { code, stderr } = await one.run('weir', 'deploy', 'status', 'group-mean', '--hub-data', one.hubData);
  expect([code, stderr]).toEqual([1, expect.stringContaining('"group-mean" is deployed to any group')]);
});
