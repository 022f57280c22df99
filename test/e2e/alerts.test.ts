import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const system = new System();
const receiver = new WebhookReceiver();

interface Shown {
  episode: string;
  state: string;
  reason: string;
  source: { name: string };
  sensor?: string;
  clearedAt?: number;
  historical?: boolean;
  ackedBy?: string;
  assignee?: string;
  comments?: number;
}

interface Detail extends Shown {
  transitions: { seq: number; state: string; reason: string }[];
  log: { what: string; by: string; comment?: string }[];
}

const publish = async (sensor: string, metric: string, value: number, at?: number) => {
  const payload = at === undefined ? `${value}` : JSON.stringify({ value, ts: at });
  expect(await system.publish(`plant/${sensor}/${metric}`, payload)).toMatchObject({ code: 0 });
};
const list = (...args: string[]) => system.weirJson<Shown[]>('alert', 'list', ...args);
const show = (id: string) => system.weirJson<Detail>('alert', 'show', id);
const ofSensor = (sensor: string, is: (each: Shown) => boolean, ...args: string[]) =>
  eventually(`the alert of ${sensor}`, async () =>
    (await list('--device', 'gw1', ...args)).find((each) => each.sensor === sensor && is(each)),
  );
const firing = (sensor: string) => ofSensor(sensor, ({ state }) => state === 'firing');
/** What a receiver that drops keys it has seen was told of one episode. */
const told = (episode: string) =>
  receiver
    .distinct()
    .filter(({ data }) => data?.episode === episode)
    .map(({ data }) => `${data.state} ${data.reason}`);
const toldIs = (episode: string, ...expected: string[]) =>
  eventually(`${expected.join(', ')} to be told`, () => {
    const now = told(episode);
    if (now.join() !== expected.join()) throw new Error(`told: ${now.join(', ')}`);
    return true;
  });

beforeAll(async () => {
  system.agentConfig = system.file('agent.yaml', 'deploy: { report: 1s }\n');
  await system.startAll();
  await system.weir('channel', 'add', 'hook', '--webhook', await receiver.listen());
  const hot = system.file('hot.yaml', 'name: hot\nversion: "1"\nmetric: temperature\nabove: 80\nclear: 75\n');
  const leak = system.file('leak.yaml', 'name: leak\nversion: "1"\nmetric: flow\nabove: 5\nlatch: true\n');
  for (const rule of [hot, leak]) await system.weir('rule', 'apply', rule, '--group', 'plant');
});
afterAll(async () => {
  receiver.close();
  await system.stop();
});

test('fires, somebody looks after it, and it ends: who did what is in its history, and people are told twice', async () => {
  await publish('oven1', 'temperature', 90);
  const { episode } = await firing('oven1');
  await toldIs(episode, 'firing threshold');
  await system.weir('alert', 'ack', episode.slice(0, 10), '--comment', 'on my way');
  await system.weir('alert', 'assign', episode, 'anna');
  await system.weir('alert', 'comment', episode, 'fan 2 stands still');
  await system.weir('alert', 'shelve', '--rule', 'hot', '--for', '1h', '--yes');
  expect(await list('--acked', '--assignee', 'anna')).toMatchObject([{ episode, state: 'firing', comments: 2 }]);
  await publish('oven1', 'temperature', 70);
  // Shelved or not, what was told as fired is told as ended.
  await toldIs(episode, 'firing threshold', 'resolved cleared');
  const detail = await show(episode);
  expect(detail).toMatchObject({ state: 'resolved', reason: 'cleared', assignee: 'anna' });
  expect(detail.log.map(({ what }) => what)).toEqual(['ack', 'assign', 'comment', 'shelve']);
  expect(new Set(detail.log.map(({ by }) => by)).size).toBe(1);
});

test('one that latches fires until it is acknowledged, though its condition is over', async () => {
  await publish('pipe1', 'flow', 9);
  const { episode } = await firing('pipe1');
  await publish('pipe1', 'flow', 0);
  await ofSensor('pipe1', ({ clearedAt }) => clearedAt !== undefined, '--state', 'firing');
  await toldIs(episode, 'firing threshold');
  await system.weir('alert', 'ack', episode);
  await toldIs(episode, 'firing threshold', 'resolved acknowledged');
  expect(await show(episode)).toMatchObject({ state: 'resolved', reason: 'acknowledged' });
});

test('one that is ended by hand is over at once; its device hears of it, also later, and what is still wrong fires anew', async () => {
  await publish('oven2', 'temperature', 95);
  const { episode } = await firing('oven2');
  await toldIs(episode, 'firing threshold');
  await system.kill('agent');
  await system.weir('alert', 'end', episode, '--comment', 'sensor is broken');
  await toldIs(episode, 'firing threshold', 'resolved manual');
  expect(await list('--state', 'active')).toEqual([]);
  await system.startAgent();
  await eventually('its device to have let go', async () => {
    const { transitions } = await show(episode);
    return transitions.some(({ state, reason }) => state === 'resolved' && reason === 'manual') || undefined;
  });
  await publish('oven2', 'temperature', 96);
  const again = await firing('oven2');
  expect(again.episode).not.toBe(episode);
  await toldIs(again.episode, 'firing threshold');
  expect(told(episode)).toEqual(['firing threshold', 'resolved manual']);
  await publish('oven2', 'temperature', 60);
  await toldIs(again.episode, 'firing threshold', 'resolved cleared');
});

test('one of a rule of the hub that is ended by hand is let go of there, and what is still wrong fires anew', async () => {
  const load = system.file('load.yaml', 'name: load\nversion: "1"\nmetric: power\nabove: 5\n');
  await system.weir('rule', 'apply', load, '--group', 'plant', '--where', 'cloud');
  await publish('pump1', 'power', 9);
  const { episode } = await firing('pump1');
  await system.weir('alert', 'end', '--rule', 'load', '--yes');
  await toldIs(episode, 'firing threshold', 'resolved manual');
  await eventually('its rule to have let go', async () => {
    const { transitions } = await show(episode);
    return transitions.some(({ state, reason }) => state === 'resolved' && reason === 'manual') || undefined;
  });
  await publish('pump1', 'power', 10);
  expect((await firing('pump1')).episode).not.toBe(episode);
  expect(told(episode)).toEqual(['firing threshold', 'resolved manual']);
});

test('a hub that is killed while it fires tells the end once it is back, and knows who acknowledged it', async () => {
  await publish('oven3', 'temperature', 90);
  const { episode } = await firing('oven3');
  await system.weir('alert', 'ack', episode);
  await system.kill('hub');
  await publish('oven3', 'temperature', 60);
  await system.startHub();
  await toldIs(episode, 'firing threshold', 'resolved cleared');
  expect((await show(episode)).ackedBy).toBeDefined();
});

test('pain 6, late data: what began and ended while the hub was away is in the history, with its times, and nobody is paged', async () => {
  await publish('oven4', 'temperature', 20);
  await system.kill('hub');
  const began = Date.now() - 600_000;
  await publish('oven5', 'temperature', 90, began);
  await publish('oven5', 'temperature', 60, began + 60_000);
  await system.startHub();
  const past = await ofSensor('oven5', ({ state }) => state === 'resolved', '--historical');
  expect(past).toMatchObject({ historical: true, startedAt: began, resolvedAt: began + 60_000 });
  await publish('oven4', 'temperature', 90);
  const { episode } = await firing('oven4');
  await toldIs(episode, 'firing threshold');
  expect(told(past.episode)).not.toContain('firing threshold');
  await publish('oven4', 'temperature', 20);
  await toldIs(episode, 'firing threshold', 'resolved cleared');
});

test('history goes out as a table, and metrics say what happened', async () => {
  const csv = await system.weir('alert', 'export', '--since', '1h', '--format', 'csv');
  const rows = csv.trim().split('\r\n');
  expect(rows[0]).toMatch(/^episode,state,reason,/);
  expect(rows.slice(1).filter((row) => row.includes(',resolved,manual,'))).toHaveLength(2);
  const metrics = await system.metrics();
  expect(metrics).toMatch(/weir_alert_episodes_total\{outcome="cleared"\} \d/);
  expect(metrics).toContain('weir_alerts_active');
});

test('what a device had open is told as ended when it is removed, also what it raised itself', async () => {
  await publish('oven6', 'temperature', 99);
  const { episode } = await firing('oven6');
  await toldIs(episode, 'firing threshold');
  await system.weir('device', 'remove', 'gw1');
  await toldIs(episode, 'firing threshold', 'resolved removed');
  expect(await list('--state', 'active')).toEqual([]);
});
