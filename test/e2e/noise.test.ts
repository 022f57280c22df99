import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, exampleFile, System } from '../support/system.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const system = new System();
const receiver = new WebhookReceiver();
const few = new WebhookReceiver();

interface Digest {
  why: string;
  leftOut: number;
  counts: { firing: number; resolved: number };
  alerts: { sensor: string; state: string }[];
}

beforeAll(async () => {
  await system.startAll();
  await system.weir('rule', 'apply', exampleFile('rules/oven-too-hot.yaml'), '--group', 'plant');
  await eventually('the rule runs', async () => {
    const rows = await system.weirJson<{ device: string; state: string }[]>('deploy', 'status', 'oven-too-hot');
    return rows.some(({ state }) => state === 'running') || undefined;
  });
  await system.weir('channel', 'add', 'hook', '--webhook', await receiver.listen());
  // Nobody is there.
  await system.weir('channel', 'add', 'dead', '--webhook', 'http://127.0.0.1:1/');
  const { url, apiKey } = JSON.parse(readFileSync(join(system.hubData, 'cli.json'), 'utf8')) as Record<string, string>;
  const added = await fetch(`${url}/api/v1/channels`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ name: 'few', kind: 'webhook', url: await few.listen(), signed: false },
      policy: { rate: '3/1m', match: ['sensor=~"oven1."'] },
    }),
  });
  expect(await added.text()).not.toContain('error');
});

afterAll(async () => {
  receiver.close();
  few.close();
  await system.stop();
});

const heat = async (sensor: string, value: number) =>
  expect(await system.publish(`plant/${sensor}/temperature`, String(value))).toMatchObject({ code: 0 });
/** What a receiver that drops keys it has seen would act on. */
const told = (from = receiver) => from.distinct().map(({ type, data }) => `${type} ${data.sensor ?? ''}`.trim());
const episodeOf = (sensor: string) =>
  eventually(`the alert of ${sensor} in the hub`, async () => {
    const all = await system.weirJson<{ episode: string; sensor?: string }[]>('alert', 'list');
    return all.find((each) => each.sensor === sensor)?.episode;
  });

test('a silence keeps what matches quiet, says so, and its end tells what still fires', async () => {
  await system.weir('alert', 'silence', 'add', 'sensor=~"oven[23]"', '--for', '1h', '--comment', 'being cleaned');
  await heat('oven2', 90);
  await heat('oven3', 90);
  const episode = await episodeOf('oven2');
  await episodeOf('oven3');
  await heat('oven3', 20);
  await heat('oven1', 90);
  await eventually('the firing of oven1', () => told().includes('alert.firing oven1') || undefined);
  expect(told()).toEqual(['alert.firing oven1']);
  const shown = await eventually('what held it back', async () => {
    const text = await system.weir('alert', 'show', episode.slice(0, 12));
    return text.includes('silence') ? text : undefined;
  });
  expect(shown).toMatch(/hook\s+held\s+silence/);
  const [silence] = await system.weirJson<{ id: string; state: string }[]>('alert', 'silence', 'list');
  expect(silence).toMatchObject({ state: 'active', comment: 'being cleaned' });
  await system.weir('alert', 'silence', 'end', silence!.id.slice(0, 8));
  await eventually('the firing of oven2', () => told().includes('alert.firing oven2') || undefined);
  expect(told()).toEqual(['alert.firing oven1', 'alert.firing oven2']);
});

test('a policy that is wrong is told with its line; one that inhibits keeps quiet what another alert says', async () => {
  const wrong = system.file('wrong.yaml', 'routes:\n  - channels: [hook]\n  - channels: [nobody]\n');
  expect(await system.run('weir', 'alert', 'policy', 'apply', wrong, '--hub-data', system.hubData)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('line 3'),
  });
  const file = system.file(
    'policy.yaml',
    `inhibit: [{ name: power, source: ['sensor=oven1'], target: ['sensor=oven4'], equal: [device] }]\n`,
  );
  await system.weir('alert', 'policy', 'apply', file);
  expect(await system.weir('alert', 'policy', 'show')).toContain('name: power');
  const labels = ['alertname=oven-too-hot', 'device=gw1', 'sensor=oven4', 'severity=critical'];
  const tried = await system.weirJson<{ channel: string; told: boolean; why: string }[]>(
    ...['alert', 'policy', 'test', '--labels', ...labels],
  );
  expect(tried.find(({ channel }) => channel === 'hook')).toMatchObject({
    told: false,
    why: expect.stringContaining('inhibition (power: '),
  });
  await heat('oven4', 90);
  await episodeOf('oven4');
});

test('the short form silences what one alert is of', async () => {
  const made = await system.weirJson<{ id: string; matchers: string }>(
    ...['alert', 'silence', await episodeOf('oven4'), '--for', '1h'],
  );
  expect(made.matchers).toBe('alertname="oven-too-hot", device="gw1", sensor="oven4", metric="temperature"');
  await system.weir('alert', 'silence', 'end', made.id);
});

test('a hub that is killed goes on: ends are told once, and what was inhibited is told when its source is over', async () => {
  await system.kill('hub');
  await heat('oven1', 20);
  await system.startHub();
  await eventually('the end of oven1, and then oven4', () => told().includes('alert.firing oven4') || undefined);
  await heat('oven2', 20);
  await eventually('the end of oven2', () => told().includes('alert.resolved oven2') || undefined);
  expect(told().toSorted()).toEqual(
    ['firing oven1', 'firing oven2', 'resolved oven1', 'firing oven4', 'resolved oven2']
      .map((each) => `alert.${each}`)
      .toSorted(),
  );
  const channels = await system.weirJson<{ name: string; waiting: number }[]>('channel', 'list');
  expect(channels.find(({ name }) => name === 'dead')).toMatchObject({ waiting: 5 });
});

test('a storm is as many messages as a channel wants, and a digest that counts all the others; so are its ends', async () => {
  const sensors = Array.from({ length: 10 }, (_, n) => `oven1${n}`);
  for (const sensor of sensors) await heat(sensor, 90);
  const digests = () =>
    few
      .distinct()
      .filter(({ data }) => 'alerts' in data)
      .map(({ data }) => data as unknown as Digest);
  const sum = (what: 'firing' | 'resolved') => {
    const alone = few.distinct().filter(({ type }) => type === `alert.${what}`).length;
    return alone + digests().reduce((total, { counts }) => total + counts[what], 0);
  };
  await eventually('all ten', () => sum('firing') === 10 || undefined, 60_000);
  expect(few.distinct()).toHaveLength(3);
  expect(digests()).toMatchObject([{ why: 'digest', counts: { firing: 8, resolved: 0 }, leftOut: 0 }]);
  await system.kill('hub');
  await system.startHub();
  for (const sensor of sensors) await heat(sensor, 20);
  await eventually('all ten ends', () => sum('resolved') === 10 || undefined, 150_000);
  expect(sum('firing')).toBe(10);
  // The other channel has no such limit.
  expect(told().filter((line) => line.startsWith('alert.resolved oven1')).length).toBe(11);
});
