/** Certificates that end while their devices are connected, or just come in. */
import { X509Certificate } from 'node:crypto';
import { commandTopic, uplinkTopic } from '@weir/protocols';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { batch } from './front.fixture.ts';
import { makeIdentity, RunningFront } from './running-front.fixture.ts';

const identity = await makeIdentity();
let running: RunningFront;
beforeEach(async () => {
  running = await RunningFront.start(identity, ['gw1', 'gw2']);
});
afterEach(() => running.stop());
afterAll(() => identity.remove());

test('the connection is cut, what is sent to it or by it then counts for nothing, and others stay', async () => {
  const [client, other] = [await running.connect('gw1'), await running.connect('gw2')];
  await client.subscribeAsync(commandTopic('gw1'), { qos: 1 });
  const heard: string[] = [];
  client.on('message', (_topic, payload) => heard.push(`${payload}`));
  await client.publishAsync(uplinkTopic('gw1', 'live'), batch(0), { qos: 1 });
  running.fleet.revoke('gw1');
  const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
  await running.front.recheck('gw1');
  await running.front.publish(commandTopic('gw1'), 'too late');
  expect(await running.front.connections.sendDirect('gw1', 't', Buffer.from('too late'))).toBe('gone');
  client.publish(uplinkTopic('gw1', 'live'), batch(2), { qos: 1 });
  await gone;
  await expect.poll(() => running.front.connections.get('gw1')?.disconnectReason).toBe('AUTH_ERROR');
  expect(heard).toEqual([]);
  expect(running.front.counts().kept).toBe(1);
  await expect(running.connect('gw1')).rejects.toThrow(/[Nn]ot authorized/);
  await other.publishAsync(uplinkTopic('gw2', 'live'), batch(0), { qos: 1 });
});

test('a connection that is being looked at when its certificate ends does not slip in', async () => {
  const { device } = running.fleet;
  let look = () => {};
  const isLookedAt = new Promise<void>((resolve) => {
    // What was read before the end is all that the first look has.
    running.fleet.device = async (id) => {
      running.fleet.device = device;
      const found = await device.call(running.fleet, id);
      resolve();
      await new Promise<void>((go) => {
        look = go;
      });
      return found;
    };
  });
  const client = running.raw('gw1');
  client.connect('gw1');
  await isLookedAt;
  running.fleet.revoke('gw1');
  const checked = running.front.recheck('gw1');
  look();
  await checked;
  expect((await client.got('connack')).returnCode).toBe(5);
  await client.closed;
  expect(running.front.connected()).toBe(0);
});

test('of a device whose certificate cannot be looked up the connection ends: if it may, it comes back', async () => {
  const client = await running.connect('gw1');
  const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
  const { device } = running.fleet;
  running.fleet.device = () => Promise.reject(new Error('the store fails'));
  await running.front.recheck('gw1');
  await gone;
  running.fleet.device = device;
  await running.connect('gw1');
});

test('who shows a certificate of the hub that is not in force is told of, once', async () => {
  running.fleet.revoke('gw1');
  for (let n = 0; n < 3; n++) await expect(running.connect('gw1')).rejects.toThrow(/[Nn]ot authorized/);
  await expect(running.raw().closed).resolves.toBeUndefined();
  await running.connect('gw2');
  const told = running.warnings.filter(({ msg }) => msg.includes('has to join again'));
  expect(told).toMatchObject([{ device: 'gw1', serial: running.device('gw1').serial, address: '127.0.0.1' }]);
});

test('a certificate that the hub gave out and has forgotten lets its device in, an older one does not', async () => {
  const { cert, serial } = running.device('gw1');
  const begins = new X509Certificate(cert).validFromDate.getTime();
  running.fleet.revoke('gw1');
  running.fleet.know('gw1', 'the one before', begins);
  await expect(running.connect('gw1')).rejects.toThrow(/[Nn]ot authorized/);
  running.fleet.know('gw1', 'the one before', begins - 1_000);
  await running.connect('gw1');
  expect(await running.fleet.device('gw1')).toMatchObject({ certificateSerial: serial });
});

test('a device whose other certificate ended, or of which something else changed, stays', async () => {
  const client = await running.connect('gw1');
  await running.front.recheck('gw1');
  await client.publishAsync(uplinkTopic('gw1', 'live'), batch(0), { qos: 1 });
  expect(running.front.connections.get('gw1')!.connected).toBe(true);
});

test('a device that is there twice: the newer connection stays, and it is told of as flapping', async () => {
  for (let n = 0; n < 6; n++) await running.connect('gw1');
  expect(running.front.connected()).toBe(1);
  expect(running.flapping).toEqual(['gw1']);
  expect(running.front.connections.get('gw1')!.flapping).toMatchObject({ takeovers: 5, addresses: ['127.0.0.1'] });
  const ends = running.lifecycle.flatMap(({ document }) =>
    document.eventType === 'disconnected' ? [document.disconnectReason] : [],
  );
  expect(ends).toEqual(Array.from({ length: 5 }, () => 'DUPLICATE_CLIENTID'));
});
