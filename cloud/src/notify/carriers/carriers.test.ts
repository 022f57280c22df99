/** Each carrier against a real receiver on loopback. */
import { randomBytes } from 'node:crypto';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { withinNetworks } from '@weir/runtime';
import { Aedes } from 'aedes';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { makeCa, makeServer } from '../../identity/certificates.ts';
import type { Outcome } from '../kinds/kind.ts';
import { KINDS, type KindName } from '../kinds/kinds.ts';
import { AT, alertOf, OVER, sampleMessage } from '../message.fixture.ts';
import type { AlertMessage } from '../message.ts';
import { checkSettings } from '../settings.ts';
import { carryAll, createCarriers } from './carriers.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const carriersFor = (networks: readonly string[]) =>
  createCarriers({
    rule: { allows: withinNetworks(networks), refusal: 'not allowed' },
    timeoutMs: 10_000,
    random: randomBytes,
  });

async function send(kind: KindName, message: AlertMessage, given: object, networks = LOOPBACK): Promise<Outcome> {
  const settings = checkSettings(kind, given);
  const parcels = KINDS[kind].compose(message, { settings, name: 'on-call', id: 'c0ffee', now: AT });
  const inside = { print: () => {}, command: async (): Promise<Outcome> => ({ kind: 'delivered', detail: '' }) };
  const signal = new AbortController().signal;
  return carryAll(parcels, { carriers: carriersFor(networks), inside, now: () => AT, signal });
}

interface Mailbox {
  port: number;
  /** As they came, each with whom it was for. */
  mails: { to: string[]; source: string; user: string | undefined; isSecure: boolean }[];
}

async function startMailServer(options: SMTPServerOptions = {}): Promise<Mailbox> {
  const mails: Mailbox['mails'] = [];
  const server = new SMTPServer({
    authOptional: true,
    logger: false,
    onAuth: ({ username, password }, _session, done) =>
      password === 'hunter2' ? done(null, { user: username }) : done(new Error('wrong password')),
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const to = session.envelope.rcptTo.map(({ address }) => address);
        const { user, secure: isSecure } = session;
        mails.push({ to, source: Buffer.concat(chunks).toString(), user: user as string | undefined, isSecure });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise<void>((resolve) => server.close(resolve)));
  return { port: (server.server.address() as AddressInfo).port, mails };
}

const signing = { now: Date.now(), random: randomBytes };

/** @returns the PEMs that servers want, and that of who signed them */
async function certificate() {
  const ca = await makeCa(signing);
  const server = await makeServer(ca, ['127.0.0.1', 'localhost'], signing);
  return { key: server.keyPem, cert: server.certificate.toString('pem'), ca: ca.certificate.toString('pem') };
}

const mailTo = (port: number, over: object = {}) => ({
  to: ['ops@example.com', 'night@example.com'],
  from: 'weir@example.com',
  smtp: `smtp://127.0.0.1:${port}`,
  ...over,
});

/** Headers of a mail, folded lines joined. */
const headersOf = (source: string) => source.split('\r\n\r\n')[0]!.replace(/\r\n[ \t]+/g, ' ');

describe('HTTP', () => {
  const serve = async (answer: (response: ServerResponse) => void) => {
    let asked = 0;
    const server = createHttpServer((request, response) => {
      asked += 1;
      request.resume().on('end', () => answer(response));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(
      () => new Promise((resolve) => server.close(resolve)),
      () => server.closeAllConnections(),
    );
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/`, asked: () => asked };
  };

  test('a receiver that says yes and never ends its answer has been told: it is not told for three days', async () => {
    const { url } = await serve((response) => response.writeHead(200).write('so be it'));
    expect(await send('webhook', sampleMessage(), { url })).toEqual({ kind: 'delivered', detail: 'HTTP 200' });
  });

  test('a receiver that says yes with a gigabyte has been told, and is not listened to', async () => {
    const { url } = await serve((response) => {
      const more = Buffer.alloc(1 << 20);
      const write = () => {
        while (!response.destroyed && response.write(more));
      };
      response.writeHead(200).on('drain', write);
      write();
    });
    expect(await send('webhook', sampleMessage(), { url })).toEqual({ kind: 'delivered', detail: 'HTTP 200' });
  });

  test('a redirect is followed nowhere, and is said to be why', async () => {
    const secret = await serve((response) => response.end());
    const { url } = await serve((response) => response.writeHead(307, { location: secret.url }).end());
    const outcome = await send('webhook', sampleMessage(), { url });
    expect(outcome).toMatchObject({ kind: 'unavailable', detail: expect.stringContaining('no redirect is followed') });
    expect(secret.asked()).toBe(0);
  });
});

describe('mail', () => {
  test('goes to a real server by STARTTLS with a password; the end is in the thread of the firing', async () => {
    const { key, cert, ca } = await certificate();
    const { port, mails } = await startMailServer({ key, cert, authOptional: false });
    const given = mailTo(port, { user: 'weir', password: 'hunter2', ca });
    expect(await send('email', sampleMessage(), given)).toEqual({
      kind: 'delivered',
      detail: 'accepted by the mail server',
    });
    expect(await send('email', sampleMessage([alertOf(OVER)]), given)).toMatchObject({ kind: 'delivered' });
    expect(mails).toHaveLength(2);
    expect(mails[0]).toMatchObject({ to: ['ops@example.com', 'night@example.com'], user: 'weir', isSecure: true });
    const [first, last] = mails.map(({ source }) => headersOf(source));
    expect(first).toContain('Message-ID: <episode0001-1.c0ffee@example.com>');
    expect(last).toContain('Message-ID: <episode0001-2.c0ffee@example.com>');
    for (const headers of [first, last]) {
      expect(headers).toContain('References: <episode-episode0001.c0ffee@example.com>');
      expect(headers).toContain('Auto-Submitted: auto-generated');
    }
    expect(mails[0]!.source).toContain('Content-Type: text/html');
    expect(mails[0]!.source).toContain('Content-Type: text/plain');
  });

  test('is not sent in clear unless somebody says so', async () => {
    const { port, mails } = await startMailServer({ hideSTARTTLS: true, disabledCommands: ['STARTTLS'] });
    expect(await send('email', sampleMessage(), mailTo(port))).toMatchObject({ kind: 'unavailable' });
    expect(mails).toEqual([]);
    expect(await send('email', sampleMessage(), mailTo(port, { tls: 'never' }))).toMatchObject({ kind: 'delivered' });
    expect(mails).toMatchObject([{ isSecure: false }]);
  });

  test('goes by TLS from the first byte, and not to a server that nobody vouches for', async () => {
    const { key, cert, ca } = await certificate();
    const { port, mails } = await startMailServer({ key, cert, secure: true });
    const smtp = `smtps://localhost:${port}`;
    expect(await send('email', sampleMessage(), mailTo(port, { smtp }))).toMatchObject({ kind: 'unavailable' });
    expect(await send('email', sampleMessage(), mailTo(port, { smtp, ca }))).toMatchObject({ kind: 'delivered' });
    expect(mails).toHaveLength(1);
  });

  test('that a server takes for some of its recipients is delivered, and it is said who was left out and why', async () => {
    const { port, mails } = await startMailServer({
      onRcptTo: ({ address }, _session, done) =>
        done(address.startsWith('night') ? Object.assign(new Error('box is full'), { responseCode: 452 }) : undefined),
    });
    expect(await send('email', sampleMessage(), mailTo(port, { tls: 'never' }))).toEqual({
      kind: 'delivered',
      detail: 'accepted, but for 1 of the recipients',
      leftOut: expect.stringMatching(/^the mail server did not take it for night@example.com: .*452 box is full/),
    });
    expect(mails).toMatchObject([{ to: ['ops@example.com'] }]);
  });

  test('that a server does not want for good is refused, one that it cannot take now is not', async () => {
    const refuse =
      (code: number): NonNullable<SMTPServerOptions['onRcptTo']> =>
      (_address, _session, done) =>
        done(Object.assign(new Error('no such box'), { responseCode: code }));
    const never = await startMailServer({ onRcptTo: refuse(550) });
    const later = await startMailServer({ onRcptTo: refuse(451) });
    const clear = { tls: 'never' };
    expect(await send('email', sampleMessage(), mailTo(never.port, clear))).toMatchObject({ kind: 'refused' });
    expect(await send('email', sampleMessage(), mailTo(later.port, clear))).toMatchObject({ kind: 'unavailable' });
    const wrong = mailTo(never.port, { ...clear, user: 'weir', password: 'wrong' });
    expect(await send('email', sampleMessage(), wrong)).toMatchObject({ kind: 'unavailable' });
  });
});

describe('MQTT', () => {
  async function startBroker(): Promise<{ port: number; got: { topic: string; payload: string; retain: boolean }[] }> {
    const broker = await Aedes.createBroker();
    const got: { topic: string; payload: string; retain: boolean }[] = [];
    broker.authenticate = (_client, user, password, done) => {
      const isKnown = user === 'weir' && password?.toString() === 'hunter2';
      if (isKnown) done(null, true);
      else done(Object.assign(new Error('no'), { returnCode: 5 }) as never, false);
    };
    broker.on('publish', ({ topic, payload, retain }, client) => {
      if (client) got.push({ topic, payload: payload.toString(), retain });
    });
    const server = createServer(broker.handle);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => {
      broker.close();
      server.close();
    });
    return { port: (server.address() as AddressInfo).port, got };
  }

  test('goes to a real broker with a password, one message for each alert, retained if asked for', async () => {
    const { port, got } = await startBroker();
    const given = { url: `mqtt://127.0.0.1:${port}`, user: 'weir', password: 'hunter2', retain: true };
    const message = sampleMessage([alertOf(), alertOf({ ...OVER, episode: 'episode0002', device: 'gw2' })]);
    expect(await send('mqtt', message, given)).toEqual({ kind: 'delivered', detail: 'taken by the broker' });
    expect(got.map(({ topic }) => topic)).toEqual(['weir/alerts/gw1/oven-hot', 'weir/alerts/gw2/oven-hot']);
    expect(got.every(({ retain }) => retain)).toBe(true);
    expect(JSON.parse(got[0]!.payload)).toMatchObject({
      status: 'firing',
      episode: 'episode0001',
      seq: 1,
      value: 81.5,
    });
    expect(JSON.parse(got[1]!.payload)).toMatchObject({ status: 'resolved', endsAt: expect.any(String) });
  });

  test('that is not let in says so, and is tried again', async () => {
    const { port, got } = await startBroker();
    const given = { url: `mqtt://127.0.0.1:${port}`, user: 'weir', password: 'wrong' };
    expect(await send('mqtt', sampleMessage(), given)).toMatchObject({
      kind: 'unavailable',
      detail: expect.stringMatching(/not auth/i),
    });
    expect(got).toEqual([]);
  });
});

test.each<[KindName, (port: number) => object]>([
  ['webhook', (port) => ({ url: `http://127.0.0.1:${port}/` })],
  ['slack', (port) => ({ url: `http://localhost:${port}/` })],
  ['email', (port) => mailTo(port)],
  ['mqtt', (port) => ({ url: `mqtt://127.0.0.1:${port}` })],
  ['alertmanager', (port) => ({ url: `http://[::ffff:127.0.0.1]:${port}` })],
])('a %s never connects to an address that is not allowed, and says why', async (kind, given) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  expect(await send(kind, sampleMessage(), given(port), ['192.168.0.0/16'])).toMatchObject({
    kind: 'unavailable',
    detail: expect.stringContaining('not allowed'),
  });
  expect(connections).toBe(0);
});

test('one that never answers holds nothing up once the hub stops', async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const stop = new AbortController();
  const settings = checkSettings('email', mailTo(port));
  const parcels = KINDS.email.compose(sampleMessage(), { settings, name: 'c', id: 'c0ffee', now: AT });
  const inside = { print: () => {}, command: vi.fn() };
  const outcome = carryAll(parcels, { carriers: carriersFor(LOOPBACK), inside, now: () => AT, signal: stop.signal });
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  expect(await outcome).toEqual({ kind: 'stopped' });
});
