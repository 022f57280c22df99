/** A device tells of alerts by itself: the hub is away, and the agent is killed in between. */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const system = new System();
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const got: { headers: IncomingHttpHeaders; body: string }[] = [];
let status = 200;
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (status === 200) got.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(status).end();
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const secretFile = system.file('lan.secret', `${SECRET}\n`);
  system.agentConfig = system.file(
    'agent.yaml',
    `alerts:
  allowNetworks: [127.0.0.0/8]
  channels:
    - { name: lan, webhook: 'http://127.0.0.1:${port}/alerts', secretFile: '${secretFile}' }
    - { name: elsewhere, webhook: 'http://10.255.255.1/alerts' }
    - { name: local, mqtt: 'alerts/{rule}/{sensor}' }
`,
  );
  await system.startAll();
  const rule = system.file(
    'oven-hot.yaml',
    'name: oven-hot\nsensor: oven*\nmetric: temperature\nabove: 80\nclear: 75\n',
  );
  await system.weir('rule', 'apply', rule, '--group', 'plant');
  await eventually('the rule runs on the device', async () => {
    const { functions } = await system.agentStatus<{ functions: { name: string; state: string }[] }>();
    return functions.find(({ name }) => name === 'oven-hot');
  });
  await system.kill('hub');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await system.stop();
});

interface Channel {
  name: string;
  waiting: number;
  delivered: number;
  lastError?: string;
}

const channelOf = async (name: string) => {
  const { notices } = await system.agentStatus<{ notices: { channels: Channel[] } }>();
  return notices.channels.find((each) => each.name === name)!;
};

/** What is retained on a topic, for one who subscribes now. */
async function retained(topic: string): Promise<{ status: string; seq: number } | undefined> {
  const login = { username: 'sensor', password: system.sensorPassword, reconnectPeriod: 0 };
  const client: MqttClient = await connectAsync(`mqtt://127.0.0.1:${system.brokerPort}`, login);
  try {
    const message = new Promise<string>((resolve) =>
      client.once('message', (_topic, payload) => resolve(payload.toString())),
    );
    await client.subscribeAsync(topic, { qos: 1 });
    const none = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 500));
    const text = await Promise.race([message, none]);
    return text === undefined ? undefined : JSON.parse(text);
  } finally {
    client.end(true);
  }
}

test('a LAN webhook and the local broker get firing and end without the hub, though the agent is killed in between', async () => {
  status = 503;
  await system.publish('plant/oven1/temperature', '91');
  await eventually('the firing waits for its receiver', async () =>
    (await channelOf('lan')).waiting > 0 ? true : undefined,
  );
  await eventually('who subscribes knows that it fires', async () => {
    const state = await retained('alerts/oven-hot/oven1');
    return state?.status === 'firing' || undefined;
  });
  await system.kill('agent');
  status = 200;
  await system.startAgent();
  const first = await eventually('the firing is told after the restart', async () => got[0]);
  const { headers, body } = first;
  const { type, data } = JSON.parse(body);
  expect([type, data.origin, data.sensor, data.value]).toEqual(['alert.firing', 'edge', 'oven1', 91]);
  expect(headers['idempotency-key']).toBe(`${data.episode}-${data.seq}`);
  const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  expect(await eventually('the broker knows it still', () => retained('alerts/oven-hot/oven1'))).toMatchObject({
    status: 'firing',
  });

  await system.publish('plant/oven1/temperature', '60');
  await eventually('the end is told', async () => got.find((each) => each.body.includes('alert.resolved')));
  await eventually('the topic says so', async () => {
    const state = await retained('alerts/oven-hot/oven1');
    return state?.status === 'resolved' || undefined;
  });
  // Each once, but for one that was under way when the agent was killed: that has the same key.
  expect(new Set(got.map(({ headers: each }) => each['webhook-id'])).size).toBe(2);
});

test('what may not be reached is never asked, and the status says so', async () => {
  const elsewhere = await channelOf('elsewhere');
  expect(elsewhere).toMatchObject({ delivered: 0, lastError: expect.stringContaining('alerts.allowNetworks') });
  const { stdout } = await system.run('weir-agent', 'status', '--data', system.agentData);
  expect(stdout).toMatch(/elsewhere +webhook +http:\/\/10\.255\.255\.1\/… /);
  expect(stdout).not.toContain(SECRET.slice(6));
});
