/** AWS's own client of the IoT Data Plane, unmodified: every operation of it against a hub, and a device that hears. */
import {
  DeleteConnectionCommand,
  DeleteThingShadowCommand,
  ForbiddenException,
  GatewayTimeoutException,
  GetConnectionCommand,
  GetRetainedMessageCommand,
  GetThingShadowCommand,
  IoTDataPlaneClient,
  ListNamedShadowsForThingCommand,
  ListRetainedMessagesCommand,
  ListSubscriptionsCommand,
  PublishCommand,
  ResourceNotFoundException,
  SendDirectMessageCommand,
  UpdateThingShadowCommand,
} from '@aws-sdk/client-iot-data-plane';
import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDevice, type JoinedDevice, joinDevice } from '../support/joined-device.ts';
import { eventually, System } from '../support/system.ts';

const system = new System();
let client: IoTDataPlaneClient;
let device: JoinedDevice;
let mqtt: MqttClient;
const heard: { topic: string; text: string; qos: number; retain: boolean }[] = [];

const thingName = 'gw1';
const commands = 'weir/1/gw1/command';
const shadow = `$aws/things/${thingName}/shadow/name/settings`;
const text = (payload: Uint8Array | undefined) => Buffer.from(payload ?? []).toString();
const json = (payload: Uint8Array | undefined) => JSON.parse(text(payload));
const hears = (topic: string) => eventually(topic, () => heard.find((each) => each.topic === topic));

/** An API key, as a client of AWS has it. */
interface IssuedKey {
  accessKeyId: string;
  secretAccessKey: string;
}

async function clientOf(name: string, role: string): Promise<IoTDataPlaneClient> {
  const made = await system.weirJson<IssuedKey>('api-key', 'create', name, '--role', role);
  const credentials = { accessKeyId: made.accessKeyId, secretAccessKey: made.secretAccessKey };
  const endpoint = `http://127.0.0.1:${system.hubPorts.api}`;
  return new IoTDataPlaneClient({ endpoint, region: 'eu-west-1', credentials, maxAttempts: 1 });
}

async function connect(): Promise<MqttClient> {
  const connected = await connectDevice(system.hubPorts, device);
  connected.on('message', (topic, payload, { qos, retain }) => {
    heard.push({ topic, text: payload.toString(), qos, retain });
  });
  return connected;
}

beforeAll(async () => {
  await system.startHub();
  await system.weir('group', 'create', 'plant');
  const { token } = await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
  device = await joinDevice(system, thingName, token);
  client = await clientOf('judge', 'operator');
  mqtt = await connect();
});

afterAll(async () => {
  mqtt.end(true);
  client.destroy();
  await system.stop();
});

test('UpdateThingShadow, GetThingShadow, ListNamedShadowsForThing, DeleteThingShadow; the device hears of each change', async () => {
  await mqtt.subscribeAsync(`${shadow}/#`, { qos: 1 });
  const payload = Buffer.from(JSON.stringify({ state: { desired: { interval: 5 } }, clientToken: 'judge' }));
  const updated = await client.send(new UpdateThingShadowCommand({ thingName, shadowName: 'settings', payload }));
  expect(json(updated.payload)).toMatchObject({
    state: { desired: { interval: 5 } },
    version: 1,
    clientToken: 'judge',
  });
  expect(JSON.parse((await hears(`${shadow}/update/delta`)).text)).toMatchObject({ state: { interval: 5 } });
  await hears(`${shadow}/update/documents`);
  await hears(`${shadow}/update/accepted`);
  const got = await client.send(new GetThingShadowCommand({ thingName, shadowName: 'settings' }));
  expect(json(got.payload).state).toEqual({ desired: { interval: 5 }, delta: { interval: 5 } });
  const listed = await client.send(new ListNamedShadowsForThingCommand({ thingName }));
  expect(listed.results).toContain('settings');
  const deleted = await client.send(new DeleteThingShadowCommand({ thingName, shadowName: 'settings' }));
  expect(json(deleted.payload).version).toBe(1);
  await hears(`${shadow}/delete/accepted`);
  await expect(client.send(new GetThingShadowCommand({ thingName, shadowName: 'settings' }))).rejects.toBeInstanceOf(
    ResourceNotFoundException,
  );
});

test('Publish, GetRetainedMessage, ListRetainedMessages; what is retained outlives the hub and is heard after a subscription', async () => {
  const publish = new PublishCommand({ topic: commands, qos: 1, retain: true, payload: Buffer.from('kept') });
  await client.send(publish);
  const kept = await client.send(new GetRetainedMessageCommand({ topic: commands }));
  expect([text(kept.payload), kept.qos]).toEqual(['kept', 1]);
  const { retainedTopics } = await client.send(new ListRetainedMessagesCommand({}));
  expect(retainedTopics).toMatchObject([{ topic: commands, payloadSize: 4, qos: 1 }]);
  mqtt.end(true);
  await system.kill('hub');
  await system.startHub();
  mqtt = await connect();
  await mqtt.subscribeAsync(commands, { qos: 1 });
  expect(await hears(commands)).toEqual({ topic: commands, text: 'kept', qos: 1, retain: true });
  await client.send(new PublishCommand({ topic: commands, qos: 1, retain: true }));
  await expect(client.send(new GetRetainedMessageCommand({ topic: commands }))).rejects.toBeInstanceOf(
    ResourceNotFoundException,
  );
});

test('GetConnection, ListSubscriptions, SendDirectMessage, DeleteConnection', async () => {
  const told = await client.send(new GetConnectionCommand({ clientId: thingName, includeSocketInformation: true }));
  expect(told).toMatchObject({
    connected: true,
    clientId: thingName,
    sourceIp: '127.0.0.1',
    targetPort: system.hubPorts.mqtt,
  });
  const { subscriptions } = await client.send(new ListSubscriptionsCommand({ clientId: thingName }));
  expect(subscriptions).toEqual([{ topicFilter: commands, qos: 1 }]);
  const direct = { clientId: thingName, topic: 'only/you', payload: Buffer.from('hi') };
  expect(await client.send(new SendDirectMessageCommand({ ...direct, confirmation: true }))).toMatchObject({
    message: 'OK',
  });
  expect(await hears('only/you')).toMatchObject({ text: 'hi', qos: 1 });
  mqtt.handleMessage = () => {};
  await expect(
    client.send(new SendDirectMessageCommand({ ...direct, confirmation: true, timeout: 1 })),
  ).rejects.toBeInstanceOf(GatewayTimeoutException);
  const closed = new Promise<void>((resolve) => mqtt.once('close', () => resolve()));
  await client.send(new DeleteConnectionCommand({ clientId: thingName }));
  await closed;
  await eventually('the end', async () => {
    const { connected, disconnectReason } = await client.send(new GetConnectionCommand({ clientId: thingName }));
    return (connected === false && disconnectReason === 'API_INITIATED_DISCONNECT') || undefined;
  });
});

test('a key that may only look changes nothing', async () => {
  const viewer = await clientOf('viewer', 'viewer');
  await viewer.send(new ListNamedShadowsForThingCommand({ thingName }));
  await expect(viewer.send(new PublishCommand({ topic: 'a' }))).rejects.toBeInstanceOf(ForbiddenException);
  viewer.destroy();
});
