import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { Aedes } from 'aedes';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Authority, type CertificateChanges, makeAuthority } from '../identity/authority.fixture.ts';
import { type MqttLinkOptions, mqttLink } from './mqtt-link.ts';

async function startHub(ca: Authority, addresses = ['127.0.0.1'], changes: CertificateChanges = {}) {
  const { key, certificate } = await ca.issue('hub', addresses, changes);
  const broker = await Aedes.createBroker();
  const sockets = new Set<TLSSocket>();
  const names: string[] = [];
  const server = createServer({ key, cert: certificate, ca: ca.pem, requestCert: true }, (socket) => {
    sockets.add(socket);
    names.push(String(socket.getPeerCertificate().subject.CN));
    broker.handle(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  broker.on('clientError', () => {});
  broker.on('connectionError', () => {});
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    cut();
    server.close();
    broker.close();
  });
  return { port: (server.address() as AddressInfo).port, broker, names, cut };
}

async function optionsFor(
  ca: Authority,
  port: number,
  changes: Partial<MqttLinkOptions> = {},
): Promise<MqttLinkOptions> {
  const { key, certificate } = await ca.issue('gw1');
  const where = { device: 'gw1', host: '127.0.0.1', port, serverName: '127.0.0.1' };
  return { ...where, ca: ca.pem, certificate, key, keepalive: 30_000, connectTimeout: 5_000, ...changes };
}

function open(options: MqttLinkOptions, subscriptions: string[] = []) {
  const events = { onOpen: vi.fn(), onMessage: vi.fn(), onClosed: vi.fn() };
  const link = mqttLink(options)(subscriptions, events);
  onTestFinished(() => link.close());
  return { link, events };
}

test('it is open once it hears what it subscribed to, shows its certificate, and a publish ends with the PUBACK', async () => {
  const ca = await makeAuthority('CA');
  const { port, broker, names } = await startHub(ca);
  const { link, events } = open(await optionsFor(ca, port), ['to/gw1']);
  await vi.waitFor(() => expect(events.onOpen).toHaveBeenCalledOnce());
  expect(names).toEqual(['gw1']);
  broker.publish({ cmd: 'publish', topic: 'to/gw1', payload: 'hello', qos: 1, retain: false, dup: false }, () => {});
  await vi.waitFor(() => expect(events.onMessage).toHaveBeenCalledWith('to/gw1', Buffer.from('hello')));
  const arrived = once(broker, 'publish');
  await link.publish('weir/1/gw1/live', new Uint8Array([1, 2, 3]).subarray(1));
  expect((await arrived)[0]).toMatchObject({ topic: 'weir/1/gw1/live', payload: Buffer.from([2, 3]), qos: 1 });
});

test('a connection that ends is told once, and what was not acknowledged fails', async () => {
  const ca = await makeAuthority('CA');
  const { port, broker, cut } = await startHub(ca);
  const { link, events } = open(await optionsFor(ca, port));
  await vi.waitFor(() => expect(events.onOpen).toHaveBeenCalledOnce());
  broker.authorizePublish = () => cut();
  await expect(link.publish('weir/1/gw1/live', new Uint8Array(1))).rejects.toThrow();
  await vi.waitFor(() => expect(events.onClosed).toHaveBeenCalledOnce());
  link.close();
  expect(events.onClosed).toHaveBeenCalledOnce();
});

test('a link that is closed says nothing any more', async () => {
  const ca = await makeAuthority('CA');
  const { port } = await startHub(ca);
  const { link, events } = open(await optionsFor(ca, port));
  await vi.waitFor(() => expect(events.onOpen).toHaveBeenCalledOnce());
  link.close();
  link.close();
  await expect(link.publish('weir/1/gw1/live', new Uint8Array(1))).rejects.toThrow();
  expect(events.onClosed).not.toHaveBeenCalled();
});

test.each([
  ['nothing that listens', { port: 1 }, /ECONNREFUSED/],
  ['a hub under another name', { serverName: '10.0.0.1' }, /IP: 10.0.0.1 is not in the cert's list/],
])('%s: told once, with the reason', async (_name, changes, reason) => {
  const ca = await makeAuthority('CA');
  const { port } = await startHub(ca);
  const { events } = open(await optionsFor(ca, port, changes));
  await vi.waitFor(() => expect(events.onClosed).toHaveBeenCalledOnce());
  expect(events.onClosed.mock.calls[0]![0]).toMatch(reason);
  expect(events.onOpen).not.toHaveBeenCalled();
});

/** To a machine whose clock is right, the certificate has expired: as in 2100 every one has that is of today. */
async function startHubOfThePast() {
  const DAY = 86_400_000;
  const ago = (days: number) => new Date(Date.now() - days * DAY);
  const ca = await makeAuthority('CA', { notBefore: ago(100) });
  const hub = await startHub(ca, ['127.0.0.1'], { notBefore: ago(30), notAfter: ago(20) });
  const unknown = { isKnown: false, isWallWrong: true, earliest: +ago(25), now: () => +ago(25) };
  return { ...hub, ca, unknown };
}

test('where nobody knows the time, a certificate that TLS finds out of its time costs no wait: it is up by one opening', async () => {
  const { ca, port, unknown } = await startHubOfThePast();
  const { link, events } = open(await optionsFor(ca, port, { time: unknown }));
  await vi.waitFor(() => expect(events.onOpen).toHaveBeenCalledOnce());
  const both = link.wireBytes!();
  await link.publish('weir/1/gw1/live', new Uint8Array(1));
  expect(link.wireBytes!()).toBeGreaterThan(both);
  expect(events.onClosed).not.toHaveBeenCalled();
});

test('where the time is known, it is told once that the certificate is out of its time', async () => {
  const { ca, port, unknown } = await startHubOfThePast();
  const known = { ...unknown, isKnown: true, earliest: Date.now(), now: () => Date.now() };
  const { events } = open(await optionsFor(ca, port, { time: known }));
  await vi.waitFor(() => expect(events.onClosed).toHaveBeenCalledOnce());
  expect(events.onClosed).toHaveBeenCalledWith('certificate has expired');
  expect(events.onOpen).not.toHaveBeenCalled();
});

test('a hub of another CA is not spoken to', async () => {
  const ca = await makeAuthority('CA');
  const { port } = await startHub(await makeAuthority('CA'));
  const { events } = open(await optionsFor(ca, port));
  await vi.waitFor(() => expect(events.onClosed).toHaveBeenCalledOnce());
  expect(events.onOpen).not.toHaveBeenCalled();
});

test.each([
  [5, /code 5: not authorised: the certificate is not in force/],
  [2, /code 2: the client id is not the name/],
])('a refusal with code %i is told in words', async (returnCode, reason) => {
  const ca = await makeAuthority('CA');
  const { port, broker } = await startHub(ca);
  broker.authenticate = (_client, _user, _password, done) =>
    done(Object.assign(new Error('no'), { returnCode }), false);
  const { events } = open(await optionsFor(ca, port));
  await vi.waitFor(() => expect(events.onClosed).toHaveBeenCalledOnce());
  expect(events.onClosed.mock.calls[0]![0]).toMatch(reason);
});

test('no SUBSCRIBE has more than eight filters, and it is open once all are granted', async () => {
  const ca = await makeAuthority('CA');
  const { port, broker } = await startHub(ca);
  const granted: number[] = [];
  broker.on('subscribe', (subscriptions) => granted.push(subscriptions.length));
  const { events } = open(
    await optionsFor(ca, port),
    Array.from({ length: 19 }, (_, n) => `t/${n}`),
  );
  await vi.waitFor(() => expect(events.onOpen).toHaveBeenCalledOnce());
  expect(granted).toEqual([8, 8, 3]);
});

test('a subscription that is refused ends the connection, and it is said why', async () => {
  const ca = await makeAuthority('CA');
  const { port, broker } = await startHub(ca);
  broker.authorizeSubscribe = (_client, subscription, done) =>
    done(null, subscription.topic === 'b' ? null : subscription);
  const { events } = open(await optionsFor(ca, port), ['a', 'b']);
  await vi.waitFor(() => expect(events.onClosed).toHaveBeenCalledOnce());
  expect(events.onClosed.mock.calls[0]![0]).not.toBe('the connection was closed');
});

test('what is on the wire is counted with TLS and about what TCP costs, in both directions, also after its end', async () => {
  const ca = await makeAuthority('CA');
  const { port } = await startHub(ca);
  const { link, events } = open(await optionsFor(ca, port), ['to/gw1']);
  await vi.waitFor(() => expect(events.onOpen).toHaveBeenCalledOnce());
  const handshake = link.wireBytes!();
  // Two certificates, keys and signatures.
  expect(handshake).toBeGreaterThan(1_500);
  expect(handshake).toBeLessThan(8_000);
  await link.publish('weir/1/gw1/live', new Uint8Array(50_000));
  const cost = link.wireBytes!() - handshake;
  expect(cost).toBeGreaterThan(50_000 + 35 * 40);
  expect(cost).toBeLessThan(50_000 * 1.06);
  link.close();
  expect(link.wireBytes!()).toBeGreaterThanOrEqual(handshake + cost);
});
