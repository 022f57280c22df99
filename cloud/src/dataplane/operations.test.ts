/** All operations of the IoT Data Plane, by AWS's own client, and its errors by hand. */
import {
  DeleteConnectionCommand,
  DeleteThingShadowCommand,
  ForbiddenException,
  GatewayTimeoutException,
  GetConnectionCommand,
  GetRetainedMessageCommand,
  GetThingShadowCommand,
  InvalidRequestException,
  IoTDataPlaneClient,
  ListNamedShadowsForThingCommand,
  ListRetainedMessagesCommand,
  ListSubscriptionsCommand,
  PayloadFormatIndicator,
  PublishCommand,
  RequestEntityTooLargeException,
  ResourceNotFoundException,
  SendDirectMessageCommand,
  ThrottlingException,
  UnsupportedDocumentEncodingException,
  UpdateThingShadowCommand,
} from '@aws-sdk/client-iot-data-plane';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CREDENTIALS, startDataPlane } from './dataplane.fixture.ts';

let plane: Awaited<ReturnType<typeof startDataPlane>>;
let client: IoTDataPlaneClient;
let now: number;
beforeEach(async () => {
  now = Date.now();
  plane = await startDataPlane(() => now);
  client = new IoTDataPlaneClient({
    endpoint: plane.url,
    region: 'local',
    credentials: CREDENTIALS,
    maxAttempts: 1,
  });
});
afterEach(async () => {
  client.destroy();
  await plane.close();
});

const text = (payload: Uint8Array | undefined) => new TextDecoder().decode(payload);
const json = (payload: Uint8Array | undefined) => JSON.parse(text(payload));
const update = (thingName: string, shadowName: string | undefined, body: unknown) =>
  client.send(new UpdateThingShadowCommand({ thingName, shadowName, payload: Buffer.from(JSON.stringify(body)) }));

describe('shadows', () => {
  test('are updated, got, deleted, and count on', async () => {
    const accepted = json((await update('gw:1', 'a$b', { state: { desired: { x: 1 } }, clientToken: 't' })).payload);
    const timestamp = Math.floor(now / 1000);
    const metadata = { desired: { x: { timestamp } } };
    expect(accepted).toEqual({ state: { desired: { x: 1 } }, metadata, version: 1, timestamp, clientToken: 't' });
    const named = { thingName: 'gw:1', shadowName: 'a$b' };
    expect(json((await client.send(new GetThingShadowCommand(named))).payload)).toMatchObject({
      state: { desired: { x: 1 }, delta: { x: 1 } },
    });
    expect(json((await client.send(new DeleteThingShadowCommand(named))).payload)).toEqual({ version: 1, timestamp });
    await expect(client.send(new GetThingShadowCommand(named))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: "No shadow exists with name: 'a$b'",
    });
    await expect(client.send(new DeleteThingShadowCommand(named))).rejects.toBeInstanceOf(ResourceNotFoundException);
    expect(json((await update('gw:1', 'a$b', { state: {} })).payload).version).toBe(2);
  });

  test('a delete is told by MQTT, a refused one is not', async () => {
    await update('gw1', undefined, { state: { reported: {} } });
    plane.answers.length = 0;
    await client.send(new DeleteThingShadowCommand({ thingName: 'gw1' }));
    await expect(client.send(new DeleteThingShadowCommand({ thingName: 'gw1' }))).rejects.toThrow();
    expect(plane.answers.map(({ topic }) => topic)).toEqual(['$aws/things/gw1/shadow/delete/accepted']);
  });

  test('are listed by pages; of an unknown thing there are none', async () => {
    for (const name of ['c', 'a', 'b']) await update('gw1', name, { state: {} });
    await update('gw1', undefined, { state: {} });
    const list = (thingName: string, nextToken?: string) =>
      client.send(new ListNamedShadowsForThingCommand({ thingName, pageSize: 2, nextToken }));
    const first = await list('gw1');
    expect(first).toMatchObject({ results: ['a', 'b'], timestamp: Math.floor(now / 1000) });
    const second = await list('gw1', first.nextToken);
    expect([second.results, second.nextToken]).toEqual([['c'], undefined]);
    expect((await list('nobody')).results).toEqual([]);
    await expect(list('gw1', 'no token')).rejects.toBeInstanceOf(InvalidRequestException);
  });

  test('bytes that are no UTF-8 have an error of their own, and so has too much at once', async () => {
    const send = (payload: Uint8Array) => client.send(new UpdateThingShadowCommand({ thingName: 'gw1', payload }));
    await expect(send(Uint8Array.of(0xff))).rejects.toBeInstanceOf(UnsupportedDocumentEncodingException);
    await expect(send(new Uint8Array(131_073))).rejects.toMatchObject({
      name: RequestEntityTooLargeException.name,
      message: 'The payload exceeds the maximum size allowed',
    });
    const busy = await Promise.allSettled(Array.from({ length: 30 }, () => update('gw1', 'x', { state: {} })));
    const refused = busy.filter(({ status }) => status === 'rejected');
    for (const { reason } of refused as PromiseRejectedResult[]) expect(reason).toBeInstanceOf(ThrottlingException);
  });
});

describe('publishing', () => {
  test('with all that MQTT 5 has beside it', async () => {
    await client.send(
      new PublishCommand({
        topic: 'plant/öfen 1/+set?x&y=%2F'.replace('+', '-'),
        qos: 1,
        payload: Buffer.from('on'),
        contentType: 'text/plain',
        responseTopic: 'plant/answers',
        messageExpiry: 60,
        payloadFormatIndicator: PayloadFormatIndicator.UTF8_DATA,
        correlationData: Buffer.from('c1').toString('base64'),
        userProperties: '[{"a":"1"},{"b":"2"}]',
      }),
    );
    expect(plane.published).toEqual([{ topic: 'plant/öfen 1/-set?x&y=%2F', payload: 'on', qos: 1 }]);
  });

  test.each([
    ['user properties that are none', { userProperties: '{"a":1}' }],
    ['user properties with two keys', { userProperties: '[{"a":"1","b":"2"}]' }],
    ['correlation data that is no base64', { correlationData: '***' }],
    ['text that is none', { payloadFormatIndicator: PayloadFormatIndicator.UTF8_DATA, payload: Uint8Array.of(0xff) }],
  ])('%s are refused', async (_, more) => {
    await expect(client.send(new PublishCommand({ topic: 'a', ...more }))).rejects.toBeInstanceOf(
      InvalidRequestException,
    );
    expect(plane.published).toEqual([]);
  });
});

describe('retained messages', () => {
  const retain = (topic: string, payload: string, more: object = {}) =>
    client.send(new PublishCommand({ topic, payload: Buffer.from(payload), retain: true, ...more }));
  const get = (topic: string) => client.send(new GetRetainedMessageCommand({ topic }));

  test('are handed on, kept, replaced, and emptied', async () => {
    await retain('plant/config', 'v1', { qos: 1, userProperties: '[{"a":"1"}]' });
    expect(plane.published).toEqual([{ topic: 'plant/config', payload: 'v1', qos: 1 }]);
    const kept = await get('plant/config');
    expect(kept).toMatchObject({ topic: 'plant/config', qos: 1, lastModifiedTime: now });
    expect([text(kept.payload), text(kept.userProperties)]).toEqual(['v1', '[{"a":"1"}]']);
    await retain('plant/config', 'v2');
    const replaced = await get('plant/config');
    expect([text(replaced.payload), replaced.qos, replaced.userProperties]).toEqual(['v2', 0, undefined]);
    await retain('plant/config', '');
    await expect(get('plant/config')).rejects.toBeInstanceOf(ResourceNotFoundException);
  });

  test('are listed by pages, and there are no more than there may be', async () => {
    for (const topic of ['e', 'd', 'c', 'b', 'a']) await retain(topic, topic.repeat(3));
    await expect(retain('f', 'x')).rejects.toBeInstanceOf(ThrottlingException);
    await retain('a', 'again');
    const list = (nextToken?: string) => client.send(new ListRetainedMessagesCommand({ maxResults: 3, nextToken }));
    const first = await list();
    expect(first.retainedTopics).toEqual([
      { topic: 'a', payloadSize: 5, qos: 0, lastModifiedTime: now },
      { topic: 'b', payloadSize: 3, qos: 0, lastModifiedTime: now },
      { topic: 'c', payloadSize: 3, qos: 0, lastModifiedTime: now },
    ]);
    const second = await list(first.nextToken);
    expect(second.retainedTopics!.map(({ topic }) => topic)).toEqual(['d', 'e']);
    expect(second.nextToken).toBeUndefined();
  });
});

describe('connections', () => {
  test('are told of, with sockets where that is asked for', async () => {
    plane.connections.connect('gw1');
    const plain = await client.send(new GetConnectionCommand({ clientId: 'gw1' }));
    const { $metadata: _, ...told } = plain;
    const known = {
      clientId: 'gw1',
      thingName: 'gw1',
      connected: true,
      cleanSession: true,
      keepAliveDuration: 30,
      connectedSince: 1_700_000_000_000,
      sessionExpiry: 0,
    };
    expect(told).toEqual(known);
    const full = await client.send(new GetConnectionCommand({ clientId: 'gw1', includeSocketInformation: true }));
    const sockets = { sourceIp: '10.0.0.7', sourcePort: 50_000, targetIp: '10.0.0.1', targetPort: 8883 };
    expect(full).toMatchObject({ ...known, ...sockets });
  });

  test('that have ended are told of with when and why', async () => {
    plane.connections.connect('gw1');
    const info = plane.connections.get('gw1')!;
    await client.send(new DeleteConnectionCommand({ clientId: 'gw1', cleanSession: true, preventWillMessage: true }));
    await expect(client.send(new DeleteConnectionCommand({ clientId: 'gw1' }))).rejects.toBeInstanceOf(
      ResourceNotFoundException,
    );
    const disconnectReason = 'API_INITIATED_DISCONNECT' as const;
    plane.connections.ended.set('gw1', { ...info, connected: false, disconnectedSince: 5, disconnectReason });
    const ended = await client.send(new GetConnectionCommand({ clientId: 'gw1' }));
    expect(ended).toMatchObject({ connected: false, disconnectedSince: 5, disconnectReason });
    expect(ended.connectedSince).toBeUndefined();
  });

  test('their subscriptions are listed by pages, twenty by default', async () => {
    const subscriptions = Array.from({ length: 25 }, (_, n) => ({
      topicFilter: `t/${String(n).padStart(2, '0')}`,
      qos: (n % 2) as 0 | 1,
    }));
    plane.connections.connect('gw1', subscriptions);
    const first = await client.send(new ListSubscriptionsCommand({ clientId: 'gw1' }));
    expect(first.subscriptions).toEqual(subscriptions.slice(0, 20));
    const second = await client.send(new ListSubscriptionsCommand({ clientId: 'gw1', nextToken: first.nextToken }));
    expect(second.subscriptions).toEqual(subscriptions.slice(20));
    await expect(client.send(new ListSubscriptionsCommand({ clientId: 'gw2' }))).rejects.toBeInstanceOf(
      ResourceNotFoundException,
    );
  });

  test('get messages of their own, which are confirmed where that is asked for', async () => {
    plane.connections.connect('gw1');
    const send = (more: object = {}) =>
      client.send(
        new SendDirectMessageCommand({ clientId: 'gw1', topic: 'to/you', payload: Buffer.from('hi'), ...more }),
      );
    expect(await send()).toMatchObject({ message: 'OK', traceId: expect.any(String) });
    await send({ confirmation: true, timeout: 3 });
    expect(plane.connections.sent).toEqual([
      { clientId: 'gw1', topic: 'to/you', payload: 'hi', confirm: false, timeoutMs: 5_000 },
      { clientId: 'gw1', topic: 'to/you', payload: 'hi', confirm: true, timeoutMs: 3_000 },
    ]);
    plane.connections.outcome = 'timed-out';
    await expect(send({ confirmation: true })).rejects.toBeInstanceOf(GatewayTimeoutException);
    await expect(send({ timeout: 16 })).rejects.toBeInstanceOf(InvalidRequestException);
    await expect(send({ clientId: 'gw2' })).rejects.toBeInstanceOf(ResourceNotFoundException);
    await expect(send({ clientId: '$gw' })).rejects.toBeInstanceOf(InvalidRequestException);
  });
});

test('who may only look changes nothing', async () => {
  plane.access.role = 'viewer';
  plane.connections.connect('gw1');
  await client.send(new GetConnectionCommand({ clientId: 'gw1' }));
  await expect(client.send(new DeleteConnectionCommand({ clientId: 'gw1' }))).rejects.toBeInstanceOf(
    ForbiddenException,
  );
  await expect(update('gw1', 'x', { state: {} })).rejects.toMatchObject({ name: 'ForbiddenException' });
});

test('a hub that is strict lets nobody publish to a reserved topic, but to shadows and rules', async () => {
  const strict = await startDataPlane(() => now, { isStrict: true });
  const endpoint = strict.url;
  const asked = new IoTDataPlaneClient({ endpoint, region: 'local', credentials: CREDENTIALS, maxAttempts: 1 });
  const publish = (topic: string) => asked.send(new PublishCommand({ topic, payload: Buffer.from('{}') }));
  await publish('$aws/things/gw1/shadow/get');
  await publish('$aws/rules/weir/a/b');
  await publish('plant/x');
  for (const topic of ['$aws/events/presence/connected/gw1', '$aws/things/gw1/shadow/update/accepted', '$SYS/x']) {
    await expect(publish(topic)).rejects.toBeInstanceOf(ForbiddenException);
  }
  asked.destroy();
  await strict.close();
});

test.each([
  ['PUT', '/things/gw1/shadow', 405, 'MethodNotAllowedException'],
  ['POST', '/retainedMessage/a', 405, 'MethodNotAllowedException'],
  ['GET', '/connections/gw1/messages', 405, 'MethodNotAllowedException'],
  ['GET', '/things/gw1', 404, 'ResourceNotFoundException'],
  ['POST', '/topics/%zz', 400, 'InvalidRequestException'],
  ['GET', `/connections/${'x'.repeat(300)}`, 400, 'InvalidRequestException'],
])('%s %s is %i', async (method, path, status, type) => {
  const response = await fetch(`${plane.url}${path}`, { method });
  expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([status, type]);
});
