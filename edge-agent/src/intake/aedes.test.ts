import { once } from 'node:events';
import { connect as tcpConnect } from 'node:net';
import { columnsOf, encodeBatch, readingsOf } from '@weir/protocols';
import { connectAsync, type MqttClient } from 'mqtt';
import { generate } from 'mqtt-packet';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../clock/clock.ts';
import { type Config, configSchema } from '../config/config.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { numbered } from '../spool/spool.fixture.ts';
import { LocalBroker } from './aedes.ts';
import { Arrivals } from './arrivals.ts';
import { Users } from './users.ts';

const PASSWORD = 'open sesame';

interface Changes {
  mqtt?: Partial<Config['mqtt']>;
  intake?: Partial<Config['intake']>;
}

async function startBroker({ mqtt, intake }: Changes = {}) {
  const config = configSchema.parse({ mqtt: { port: 0, ...mqtt }, intake });
  const spool = new HeldSpool();
  const failures: Error[] = [];
  const arrivals: Arrivals = new Arrivals(
    {
      spool,
      clock: systemClock,
      onDurable: () => {},
      onPressure: (held) => broker.hold(held),
      onFailure: (error) => failures.push(error),
    },
    { ...config.intake, journalBytesMax: config.journal.bytesMax },
    0,
  );
  const users = new Users([['sensor', PASSWORD]]);
  const broker = new LocalBroker({ arrivals, users, clock: systemClock }, config);
  const port = await broker.start();
  onTestFinished(() => broker.stop());
  const connect = async (options = {}): Promise<MqttClient> => {
    const login = { username: 'sensor', password: PASSWORD, reconnectPeriod: 0, ...options };
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, login);
    onTestFinished(() => void client.end(true));
    client.on('error', () => {});
    return client;
  };
  const values = () =>
    spool.ops
      .journalAfter(0, 1e6)
      .groups.flatMap(({ columns }) =>
        [...readingsOf(columns)].map(({ sensor, metric, value }) => [sensor, metric, value]),
      );
  return { broker, spool, arrivals, failures, port, connect, values };
}

const closing = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));

const messageOf = (client: MqttClient) =>
  new Promise<string>((resolve) => client.once('message', (topic, payload) => resolve(`${topic} ${payload}`)));

test('PUBACK comes only after the commit, and in the order of the messages', async () => {
  const { spool, connect, values } = await startBroker();
  const client = await connect();
  spool.held.add('append');
  const acked: number[] = [];
  for (let n = 0; n < 5; n++) {
    client.publish('plant/oven1/temperature', `${n}`, { qos: 1 }, (error) => !error && acked.push(n));
  }
  await vi.waitFor(() => expect(spool.waiting).toContain('append'));
  // Had an acknowledgement been sent, it would be here before the answer to someone else's later message.
  await (await connect()).publishAsync('cmd/ping', '', { qos: 1 });
  expect(acked).toEqual([]);
  spool.held.delete('append');
  spool.release();
  await vi.waitFor(() => expect(acked).toEqual([0, 1, 2, 3, 4]));
  expect(values().map(([, , value]) => value)).toEqual([0, 1, 2, 3, 4]);
});

test('a reading that cannot be kept is not acknowledged: the connection is closed, and the sensor sends it again', async () => {
  const { spool, connect, failures, values } = await startBroker();
  const client = await connect();
  spool.failing.add('append');
  const closed = closing(client);
  client.publish('plant/oven1/temperature', '1', { qos: 1 });
  await closed;
  expect(failures.map(({ message }) => message)).toEqual(['database or disk is full']);
  spool.failing.clear();
  await (await connect()).publishAsync('plant/oven1/temperature', '1', { qos: 1 });
  expect(values()).toEqual([['oven1', 'temperature', 1]]);
});

test('every form of payload is taken: number, word, object, list, CBOR batch', async () => {
  const { connect, values } = await startBroker();
  const client = await connect();
  const batch = encodeBatch({ kind: 'readings', epoch: 'x', seq: 0, count: 2, columns: columnsOf(numbered(0, 2)) });
  const selfDescribed = Buffer.concat([Buffer.from([0xd9, 0xd9, 0xf7]), batch]);
  await client.publishAsync('plant/oven1/temperature', '81.5', { qos: 1 });
  await client.publishAsync('plant/door/open', 'true', { qos: 2 });
  await client.publishAsync('plant/cold1', '{"temperature":4.1,"humidity":61}', { qos: 1 });
  await client.publishAsync('plant/gw', Buffer.from(batch), { qos: 1 });
  await client.publishAsync('plant/gw', selfDescribed, { qos: 1 });
  expect(values()).toEqual([
    ['oven1', 'temperature', 81.5],
    ['door', 'open', true],
    ['cold1', 'temperature', 4.1],
    ['cold1', 'humidity', 61],
    ['s0', 'm', 0],
    ['s1', 'm', 1],
    ['s0', 'm', 0],
    ['s1', 'm', 1],
  ]);
});

/** A sensor that speaks QoS 2 by hand. */
function meterAt(port: number) {
  const socket = tcpConnect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let received = 0;
  socket.on('data', (chunk) => {
    received += chunk.length;
  });
  const ANSWER_BYTES = 4;
  const login = { username: 'sensor', password: Buffer.from(PASSWORD) };
  const protocol = { protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 0 } as const;
  socket.write(generate({ cmd: 'connect', clientId: 'meter', ...protocol, ...login }));
  return {
    socket,
    /** CONNACK, PUBREC and PUBCOMP. */
    answered: (packets: number) => vi.waitFor(() => expect(received).toBe(packets * ANSWER_BYTES)),
  };
}

function firstMessage(payload: string, dup = false): Buffer {
  return generate({
    cmd: 'publish',
    topic: 'plant/oven1/temperature',
    qos: 2,
    messageId: 1,
    retain: false,
    payload,
    dup,
  });
}

test('a QoS 2 message that comes again before it is released is one reading, also while it is on its way to the disk', async () => {
  const { port, spool, values } = await startBroker();
  const { socket, answered } = meterAt(port);
  await answered(1);
  spool.held.add('append');
  socket.write(Buffer.concat([firstMessage('5'), firstMessage('5', true)]));
  await vi.waitFor(() => expect(spool.waiting).toEqual(['append']));
  spool.held.delete('append');
  spool.release();
  await answered(3);
  socket.write(firstMessage('5', true));
  await answered(4);
  socket.write(generate({ cmd: 'pubrel', messageId: 1 }));
  await answered(5);
  expect(values()).toEqual([['oven1', 'temperature', 5]]);
  socket.write(firstMessage('6'));
  await answered(6);
  expect(values()).toEqual([
    ['oven1', 'temperature', 5],
    ['oven1', 'temperature', 6],
  ]);
});

test('what was on its way to the disk when its sensor was started anew is not taken for what that sends under the same number', async () => {
  const { port, broker, spool, values } = await startBroker();
  const before = meterAt(port);
  await before.answered(1);
  spool.held.add('append');
  before.socket.write(firstMessage('5'));
  await vi.waitFor(() => expect(spool.waiting).toEqual(['append']));
  before.socket.destroy();
  await vi.waitFor(() => expect(broker.connections).toBe(0));
  const after = meterAt(port);
  await after.answered(1);
  spool.held.delete('append');
  spool.release();
  await vi.waitFor(() => expect(values()).toEqual([['oven1', 'temperature', 5]]));
  after.socket.write(firstMessage('6'));
  await after.answered(2);
  expect(values().at(-1)).toEqual(['oven1', 'temperature', 6]);
});

test('a QoS 0 reading is taken too', async () => {
  const { connect, values } = await startBroker();
  await (await connect()).publishAsync('plant/oven1/temperature', '5', { qos: 0 });
  await vi.waitFor(() => expect(values()).toEqual([['oven1', 'temperature', 5]]));
});

describe('a payload that is no reading is acknowledged, counted, kept to look at, and stops nothing', () => {
  const columns = columnsOf(numbered(0, 3));
  const batch = Buffer.from(encodeBatch({ kind: 'readings', epoch: 'x', seq: 0, count: 3, columns }));
  const wrongVersion = Buffer.from(batch);
  wrongVersion[wrongVersion.indexOf('v') + 1] = 9;
  test.each([
    ['plant/oven1/temperature', 'hot', 'invalid-json'],
    ['plant/oven1/temperature', 'NaN', 'not-finite'],
    ['plant/oven1/temperature', '1e999', 'not-finite'],
    ['plant/oven1/temperature', '{"value":', 'invalid-json'],
    ['plant/oven1/temperature', '', 'empty'],
    ['plant/oven1/temperature', Buffer.from([0xff, 0x31]), 'invalid-utf8'],
    ['plant/oven 1/temperature', '1', 'invalid-name'],
    ['elsewhere', '1', 'unknown-topic'],
    ['$SYS/mine', '1', 'reserved-topic'],
    ['plant/oven1', batch.subarray(0, 20), 'batch-truncated'],
    ['plant/oven1', wrongVersion, 'batch-version'],
  ])('%s %j: %s', async (topic, payload, reason) => {
    const { spool, connect, values } = await startBroker();
    const client = await connect();
    const watcher = await connect();
    const heard: string[] = [];
    watcher.on('message', (topic) => heard.push(topic));
    await watcher.subscribeAsync('#');
    await client.publishAsync(topic, payload, { qos: 1 });
    await client.publishAsync('plant/oven1/temperature', '7', { qos: 1 });
    await vi.waitFor(() => expect(heard).toEqual(['plant/oven1/temperature']));
    expect(values()).toEqual([['oven1', 'temperature', 7]]);
    expect(spool.ops.counts().refused).toEqual({ [reason]: 1 });
    expect(spool.ops.lastRefused(10)).toMatchObject([{ topic, reason }]);
  });
});

/** CONNECT and what follows it, in one piece. */
function pipelined(password: string, payloads: string[]): Buffer {
  const connect = { cmd: 'connect', clientId: 'a', clean: true, username: 'sensor', password: Buffer.from(password) };
  const publishes = payloads.map((payload, at) =>
    generate({
      cmd: 'publish',
      topic: 'plant/oven1/m',
      payload,
      qos: 1,
      messageId: at + 1,
      dup: false,
      retain: false,
    }),
  );
  return Buffer.concat([generate(connect as never), ...publishes]);
}

/** Takes whatever the broker says. */
function rawSensor(port: number) {
  const socket = tcpConnect(port, '127.0.0.1').resume();
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  return { socket, closed: new Promise<void>((resolve) => socket.once('close', () => resolve())) };
}

describe('a sensor that publishes without waiting for CONNACK', () => {
  const large = (value: number) => `{"value":${value},"note":"${'x'.repeat(20_000)}"}`;

  test('loses no reading, however large, many, or cut', async () => {
    const { port, values, spool } = await startBroker();
    const { socket } = rawSensor(port);
    const bytes = pipelined(PASSWORD, [large(0), ...Array.from({ length: 100 }, (_, at) => `${at + 1}`), large(101)]);
    socket.write(bytes.subarray(0, 10));
    socket.write(bytes.subarray(10));
    await vi.waitFor(() => expect(values().length).toBe(102));
    expect(values().map(([, , value]) => value)).toEqual(Array.from({ length: 102 }, (_, at) => at));
    expect(spool.ops.counts().refused).toEqual({});
  });

  test('gets no reading in with a wrong password, and is sent away', async () => {
    const { port, values, spool } = await startBroker();
    const { socket, closed } = rawSensor(port);
    socket.write(pipelined('guess', [large(1), '2']));
    await closed;
    await vi.waitFor(() => expect(spool.ops.counts().refused).toEqual({ 'login-failed': 1 }));
    expect(values()).toEqual([]);
  });

  test('is held to the limit of packets once it is known', async () => {
    const { port, spool } = await startBroker({ mqtt: { packetBytesMax: 10_000 } });
    const { socket, closed } = rawSensor(port);
    socket.write(pipelined(PASSWORD, [large(1)]));
    await closed;
    await vi.waitFor(() => expect(spool.ops.counts().refused).toEqual({ 'packet-too-large': 1 }));
  });

  test('fills no memory before it is known: what it sends stays with it', async () => {
    const { broker, port } = await startBroker();
    const { socket, closed } = rawSensor(port);
    socket.write(pipelined('guess', []));
    const written = new Promise<void>((resolve) =>
      socket.write(Buffer.alloc(32_000_000), (error) => !error && resolve()),
    );
    const first = await Promise.race([written.then(() => 'taken'), closed.then(() => 'closed')]);
    expect(first).toBe('closed');
    await vi.waitFor(() => expect(broker.connections).toBe(0));
  });
});

describe('the broker is not to be filled', () => {
  test('a packet over the limit closes the connection before its bytes are taken', async () => {
    const { spool, connect } = await startBroker({ mqtt: { packetBytesMax: 10_000 } });
    const client = await connect();
    const closed = closing(client);
    client.publish('plant/oven1/temperature', 'x'.repeat(1_000_000), { qos: 1 });
    await closed;
    await vi.waitFor(() => expect(spool.ops.counts().refused).toEqual({ 'packet-too-large': 1 }));
  });

  test('who has not shown a password gets far less', async () => {
    const { spool, port } = await startBroker();
    const socket = tcpConnect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(generate({ cmd: 'connect', clientId: 'a', clean: true, username: 'x'.repeat(8_000) } as never));
    await once(socket, 'close');
    await vi.waitFor(() => expect(spool.ops.counts().refused).toEqual({ 'packet-too-large': 1 }));
  });

  test('who says nothing is sent away', async () => {
    const { port } = await startBroker({ mqtt: { connectTimeout: 100 } });
    const socket = tcpConnect(port, '127.0.0.1');
    await once(socket, 'close');
  });

  test('a wrong password, no password, an unknown user: not authorized', async () => {
    const { spool, connect } = await startBroker();
    for (const login of [
      { password: 'guess' },
      { password: '' },
      { username: 'root' },
      { username: '', password: '' },
    ]) {
      await expect(connect(login)).rejects.toThrow('Not authorized');
    }
    await vi.waitFor(() => expect(spool.ops.counts().refused).toEqual({ 'login-failed': 4 }));
  });

  test('over the bound of readings that wait, sockets are not read; none is lost', async () => {
    const { spool, connect, arrivals, values } = await startBroker({
      intake: { waitingReadingsMax: 200, groupReadingsMax: 50 },
    });
    const client = await connect();
    spool.held.add('append');
    const payload = `{"value":1,"unit":"${'x'.repeat(30)}"}`;
    let acked = 0;
    for (let n = 0; n < 20_000; n++) client.publish('plant/s/m', payload, { qos: 1 }, (error) => !error && acked++);
    await vi.waitFor(() => expect(spool.waiting.length).toBe(4));
    // Some chunks were on their way; most of a megabyte and more stays with the sender.
    expect(arrivals.waiting).toBeLessThan(10_000);
    spool.held.clear();
    spool.release();
    await vi.waitFor(() => expect(acked).toBe(20_000), { timeout: 30_000 });
    expect(values().length).toBe(20_000);
  });
});

describe('on the machine itself', () => {
  test('commands go to who listens, retained ones also to who comes later; they are no readings', async () => {
    const { broker, connect, values } = await startBroker();
    const actuator = await connect();
    const heard: string[] = [];
    actuator.on('message', (topic, payload) => heard.push(`${topic} ${payload}`));
    await actuator.subscribeAsync('cmd/#', { qos: 1 });
    await (await connect()).publishAsync('cmd/fan', 'on', { qos: 1 });
    await broker.publish({ topic: 'cmd/valve', payload: 'open', qos: 1, retain: true });
    await broker.publish({ topic: 'cmd/valve', payload: 'shut', qos: 0, retain: false });
    await vi.waitFor(() => expect(heard).toEqual(['cmd/fan on', 'cmd/valve open', 'cmd/valve shut']));
    const late = await connect();
    const retained = messageOf(late);
    await late.subscribeAsync('cmd/valve');
    expect(await retained).toBe('cmd/valve open');
    expect(values()).toEqual([]);
  });

  test('readings are heard by who listens', async () => {
    const { connect } = await startBroker();
    const display = await connect();
    const heard = messageOf(display);
    await display.subscribeAsync('plant/+/temperature');
    const sensor = await connect();
    await sensor.publishAsync('plant/oven1/humidity', '50', { qos: 1 });
    await sensor.publishAsync('plant/oven1/temperature', '80', { qos: 1 });
    expect(await heard).toBe('plant/oven1/temperature 80');
  });

  test('the last will of a sensor is a reading like any other', async () => {
    const { connect, values } = await startBroker();
    const client = await connect({ will: { topic: 'plant/oven1/online', payload: Buffer.from('false'), qos: 1 } });
    client.stream.destroy();
    await vi.waitFor(() => expect(values()).toEqual([['oven1', 'online', false]]));
  });

  test('a taken port is told by its number and the option that changes it', async () => {
    const { port } = await startBroker();
    await expect(startBroker({ mqtt: { port } })).rejects.toMatchObject({
      code: 'port-taken',
      message: `port ${port} on 127.0.0.1 is taken, so sensors cannot connect`,
      remedy: expect.stringContaining('--mqtt-port'),
    });
  });
});
