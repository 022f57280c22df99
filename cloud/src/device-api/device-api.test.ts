/** The device API over real TLS. It is one file because all its tests share the CA, the fleet and the API that runs. */
import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import { joinAnswerSchema, renewAnswerSchema, secretBinding, secretsAnswerSchema } from '@weir/protocols';
import { openBox, sealBox, UsageError } from '@weir/runtime';
import pino from 'pino';
import { afterAll, afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { dataPlanePorts } from '../dataplane/dataplane.fixture.ts';
import type { EnrolOptions, RenewOptions, ShownCertificate } from '../fleet/fleet.ts';
import { type DeviceFixture, makeDeviceKey, signedDevice } from '../identity/device.fixture.ts';
import { openIdentity } from '../identity/identity.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { createDeviceApi, type DeviceApi, type DeviceApiOptions } from './device-api.ts';
import { RateLimiter } from './rate-limit.ts';

const folder = await mkdtemp(join(tmpdir(), 'weir-device-api-'));
const identity = await openIdentity({
  folder,
  hosts: ['localhost', '127.0.0.1'],
  now: Date.now(),
  random: randomBytes,
});
const SECRET = 'a-secret-of-a-token-12345';
const HASH = 'a'.repeat(64);
const DAY = 86_400_000;
afterAll(() => rm(folder, { recursive: true }));

let api: DeviceApi;
let port: number;
let serials: Map<string, string>;
let renewed: [device: string, serial: string][];
/** Those that were forgotten. */
let taken: object[];
/** When the latest certificate begins that the fleet knows of, of all devices. */
let latestCertificateFrom: number | undefined;
/** Of the clock, where its moving on would change what is tested. */
let stoppedAt: number | undefined;
let plane: ReturnType<typeof dataPlanePorts>;

const statements = { make: async () => undefined };
let store: Store;

beforeEach(async () => {
  store = createMemoryStore();
  await startApi({ joinRate: { burst: 10, perMinute: 60, callersMax: 10 } });
});

async function startApi(rates: Pick<DeviceApiOptions, 'joinRate' | 'joinRateOfAll'>): Promise<void> {
  serials = new Map();
  renewed = [];
  taken = [];
  latestCertificateFrom = undefined;
  stoppedAt = undefined;
  plane = dataPlanePorts();
  const fleet = {
    async enrol({ secret, device, certificateSerial }: EnrolOptions) {
      if (secret !== SECRET) throw new UsageError('token-invalid', 'there is no such token', 'create one');
      if (serials.has(device)) throw new UsageError('device-exists', `${device} exists`, 'choose another name');
      serials.set(device, certificateSerial);
    },
    async device(id: string) {
      const certificateSerial = serials.get(id);
      return certificateSerial === undefined
        ? undefined
        : {
            ...{ id, groups: [], tags: {}, certificateSerial, enrolledAt: 0 },
            ...(latestCertificateFrom !== undefined && { latestCertificateFrom }),
          };
    },
    async renew({ device, certificateSerial }: RenewOptions) {
      renewed.push([device, certificateSerial]);
    },
    async certificateUsed() {},
    async takeForgotten(shown: ShownCertificate) {
      taken.push({ ...shown, publicKey: shown.publicKey() });
      serials.set(shown.device, shown.serial);
    },
    bundle: async (hash: string) => (hash === HASH ? new TextEncoder().encode('the bundle') : undefined),
  };
  const secrets = {
    answer: async (device: string, publicKey: KeyObject) => {
      const secret = { group: 'ovens', name: 'token', version: 1 };
      const box = sealBox(`secret of ${device}`, publicKey, secretBinding(device, secret));
      return { revision: HASH, secrets: [{ ...secret, ...box }] };
    },
  };
  api = createDeviceApi(
    {
      identity,
      fleet,
      secrets,
      store,
      statements,
      dataPlane: plane.ports,
      logger: pino({ level: 'silent' }),
      now: () => stoppedAt ?? Date.now(),
    },
    {
      host: '127.0.0.1',
      port: 0,
      option: '--device-port',
      mqtt: () => ({ port: 8883 }),
      ...rates,
    },
  );
  port = await api.start();
}
afterEach(() => api.stop());

interface Answer {
  status: number;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what came over the wire
  json: any;
}

function ask(method: string, path: string, options: { body?: string; device?: DeviceFixture } = {}): Promise<Answer> {
  const { body, device } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        ca: identity.ca,
        servername: 'localhost',
        checkServerIdentity,
        headers: { 'content-type': 'application/json', host: `localhost:${port}` },
        ...(device && { key: device.key, cert: device.cert }),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        response.on('end', () => {
          const json = text.startsWith('{') ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode!, text, json });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function joinBody(more: object = {}): Promise<string> {
  return JSON.stringify({ secret: SECRET, device: 'gw1', csr: (await makeDeviceKey()).csr, ...more });
}

describe('joining', () => {
  test('gives a certificate in the name of the device, the CA, and where telemetry goes', async () => {
    const { status, json } = await ask('POST', '/v1/join', { body: await joinBody() });
    expect(status).toBe(200);
    const answer = joinAnswerSchema.parse(json);
    expect(answer).toMatchObject({ device: 'gw1', ca: identity.ca, mqtt: { host: 'localhost', port: 8883 } });
    expect(serials.get('gw1')).toMatch(/^[0-9A-F]{32}$/);
  });

  test.each([
    ['a wrong secret', { secret: 'wrong-secret-of-a-token' }, 401, 'token-invalid'],
    ['a CSR that is none', { csr: 'junk' }, 400, 'csr-invalid'],
    ['a name with a slash', { device: 'a/b' }, 400, 'join-invalid'],
    ['a field that is not known', { admin: true }, 400, 'join-invalid'],
  ])('%s is refused with a code and a remedy', async (_, more, status, code) => {
    const answer = await ask('POST', '/v1/join', { body: await joinBody(more) });
    expect(answer.status).toBe(status);
    expect(answer.json.error).toMatchObject({ code, message: expect.any(String), remedy: expect.stringMatching(/./) });
    expect(answer.text).not.toContain(SECRET);
    expect(serials.size).toBe(0);
  });

  test('a name that is taken is refused', async () => {
    await ask('POST', '/v1/join', { body: await joinBody() });
    const { status, json } = await ask('POST', '/v1/join', { body: await joinBody() });
    expect([status, json.error.code]).toEqual([409, 'device-exists']);
  });

  test('junk and bodies that are too large are refused', async () => {
    expect((await ask('POST', '/v1/join', { body: '{' })).status).toBe(400);
    expect((await ask('POST', '/v1/join', { body: await joinBody({ csr: 'x'.repeat(20_000) }) })).status).toBe(413);
    expect((await ask('GET', '/v1/nothing')).json.error.code).toBe('not-found');
  });

  test('too many joins from one address are told to wait', async () => {
    stoppedAt = Date.now();
    const body = await joinBody({ secret: 'wrong-secret-of-a-token' });
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask('POST', '/v1/join', { body })));
    expect(answers.filter(({ status }) => status === 429).length).toBe(2);
  });
});

describe('renewing', () => {
  const body = async () => JSON.stringify({ csr: (await makeDeviceKey()).csr });
  const register = (device: DeviceFixture) => serials.set(device.device, device.serial);

  test('gives a device that shows its certificate another one, in its own name', async () => {
    const device = await signedDevice(identity, 'gw1');
    register(device);
    const { status, json } = await ask('POST', '/v1/renew', { body: await body(), device });
    expect(status).toBe(200);
    const certificate = new X509Certificate(renewAnswerSchema.parse(json).certificate);
    expect(certificate.subject).toBe('CN=gw1');
    expect(renewed).toEqual([['gw1', certificate.serialNumber]]);
    expect(certificate.validToDate.getTime() - Date.now()).toBeGreaterThan(89 * DAY);
  });

  test('works with a certificate that has come to its end, and nothing else does with it', async () => {
    const device = await signedDevice(identity, 'gw1', Date.now() - 300 * DAY);
    register(device);
    expect((await ask('POST', '/v1/renew', { body: await body(), device })).status).toBe(200);
    expect((await ask('GET', `/v1/bundles/${HASH}`, { device })).status).toBe(401);
  });

  test('is for nobody else: no certificate, one replaced, one of another CA, or expired long ago', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weir-device-api-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const other = await openIdentity({ folder, hosts: ['localhost'], now: Date.now(), random: randomBytes });
    const replaced = await signedDevice(identity, 'gw1');
    const foreign = await signedDevice(other, 'gw2');
    const foreignExpired = await signedDevice(other, 'gw3', Date.now() - 300 * DAY);
    const old = await signedDevice(identity, 'gw4', Date.now() - 500 * DAY);
    for (const device of [foreign, foreignExpired, old]) register(device);
    serials.set('gw1', 'another');
    for (const device of [undefined, replaced, foreign, foreignExpired, old]) {
      const { status, json } = await ask('POST', '/v1/renew', { body: await body(), ...(device && { device }) });
      expect([status, json.error.code]).toEqual([401, 'certificate-needed']);
    }
    expect(renewed).toEqual([]);
  });

  test('is for a device whose certificate the hub gave out and has forgotten, be it expired; for none that is older than what it knows', async () => {
    const older = await signedDevice(identity, 'gw1', Date.now() - 300 * DAY);
    const device = await signedDevice(identity, 'gw1', Date.now() - 299 * DAY);
    register({ ...older, serial: 'known' });
    latestCertificateFrom = new X509Certificate(older.cert).validFromDate.getTime();
    expect((await ask('POST', '/v1/renew', { body: await body(), device: older })).status).toBe(401);
    expect(taken).toEqual([]);
    expect((await ask('POST', '/v1/renew', { body: await body(), device })).status).toBe(200);
    const { publicKey, validFromDate } = new X509Certificate(device.cert);
    expect(taken).toMatchObject([
      {
        ...{ device: 'gw1', serial: device.serial, validFrom: validFromDate.getTime(), address: '127.0.0.1' },
        publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      },
    ]);
  });

  test('is no flood: a device whose clock is wrong is told to wait', async () => {
    const device = await signedDevice(identity, 'gw1');
    register(device);
    const statuses: number[] = [];
    for (let n = 0; n < 7; n++) statuses.push((await ask('POST', '/v1/renew', { body: await body(), device })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
  });
});

describe('bundles', () => {
  test('are for registered devices', async () => {
    const device = await signedDevice(identity, 'gw1');
    serials.set('gw1', device.serial);
    expect(await ask('GET', `/v1/bundles/${HASH}`, { device })).toMatchObject({ status: 200, text: 'the bundle' });
    expect((await ask('GET', `/v1/bundles/${'b'.repeat(64)}`, { device })).json.error.code).toBe('bundle-unknown');
    expect((await ask('GET', '/v1/bundles/..%2f..', { device })).json.error.code).toBe('bundle-unknown');
  });

  test('are not for anybody else: no certificate, an old one, one of another CA', async () => {
    const old = await signedDevice(identity, 'gw1');
    serials.set('gw1', (await signedDevice(identity, 'gw1')).serial);
    const otherFolder = await mkdtemp(join(tmpdir(), 'weir-device-api-'));
    const other = await openIdentity({
      folder: otherFolder,
      hosts: ['localhost'],
      now: Date.now(),
      random: randomBytes,
    });
    const foreign = await signedDevice(other, 'gw1');
    serials.set('gw2', foreign.serial);
    for (const device of [undefined, old, foreign]) {
      const { status, json } = await ask('GET', `/v1/bundles/${HASH}`, device && { device });
      expect([status, json.error.code]).toEqual([401, 'certificate-needed']);
    }
    await rm(otherFolder, { recursive: true });
  });
});

describe('the IoT Data Plane', () => {
  let device: DeviceFixture;
  beforeEach(async () => {
    device = await signedDevice(identity, 'gw1');
    serials.set('gw1', device.serial);
  });

  test('a device updates, gets, lists and deletes its own shadows', async () => {
    const body = JSON.stringify({ state: { reported: { a: 1 } } });
    expect((await ask('POST', '/things/gw1/shadow?name=x', { body, device })).json.version).toBe(1);
    expect((await ask('GET', '/things/gw1/shadow?name=x', { device })).json.state).toEqual({ reported: { a: 1 } });
    const list = await ask('GET', '/api/things/shadow/ListNamedShadowsForThing/gw1', { device });
    expect(list.json.results).toEqual(['x']);
    expect((await ask('DELETE', '/things/gw1/shadow?name=x', { device })).status).toBe(200);
    expect((await ask('GET', '/things/gw1/shadow?name=x', { device })).status).toBe(404);
  });

  test('it publishes what it may publish by MQTT, and hears what is retained for it', async () => {
    const publish = (topic: string) => ask('POST', `/topics/${encodeURIComponent(topic)}?qos=1`, { body: 'x', device });
    expect((await publish('weir/1/gw1/live')).status).toBe(200);
    expect((await publish('weir/1/gw2/live')).status).toBe(403);
    expect((await publish('plant/x')).status).toBe(403);
    expect((await ask('POST', '/topics/weir%2F1%2Fgw1%2Flive?retain=true', { body: 'x', device })).status).toBe(403);
    expect(plane.publishedAs).toEqual([{ device: 'gw1', topic: 'weir/1/gw1/live', payload: 'x' }]);
    const payload = Buffer.from('kept');
    await plane.ports.retained.keep({ topic: 'weir/1/gw1/command', payload, qos: 1, lastModifiedTime: 1 });
    const kept = await ask('GET', '/retainedMessage/weir%2F1%2Fgw1%2Fcommand', { device });
    expect(kept.json).toMatchObject({ payload: payload.toString('base64'), userProperties: null });
    expect((await ask('GET', '/retainedMessage/weir%2F1%2Fgw2%2Fcommand', { device })).status).toBe(403);
  });

  test('is for nothing of others, and for nobody without a certificate in force', async () => {
    plane.connections.connect('gw1');
    for (const [method, path] of [
      ['GET', '/things/gw2/shadow'],
      ['POST', '/things/gw2/shadow?name=weir'],
      ['DELETE', '/things/gw2/shadow'],
      ['GET', '/api/things/shadow/ListNamedShadowsForThing/gw2'],
      ['GET', '/retainedMessage'],
      ['GET', '/connections/gw1'],
      ['DELETE', '/connections/gw1'],
      ['GET', '/connections/gw1/subscriptions'],
      ['POST', '/connections/gw1/messages?topic=a'],
    ] as const) {
      expect([path, (await ask(method, path, { device })).status]).toEqual([path, 403]);
      expect([path, (await ask(method, path)).status]).toEqual([path, 401]);
      expect([path, (await ask(method, path, { device: await signedDevice(identity, 'gw1') })).status]).toEqual([
        path,
        401,
      ]);
    }
    expect(plane.connections.sent).toEqual([]);
    expect(plane.connections.list().length).toBe(1);
  });
});

test('secrets are for the key of the certificate that was shown, and for nobody without one', async () => {
  const { status, json } = await ask('GET', '/v1/secrets');
  expect([status, json.error.code]).toEqual([401, 'certificate-needed']);
  const device = await signedDevice(identity, 'gw1');
  serials.set('gw1', device.serial);
  const answer = secretsAnswerSchema.parse((await ask('GET', '/v1/secrets', { device })).json);
  const [secret] = answer.secrets;
  expect(openBox(secret!, createPrivateKey(device.key), secretBinding('gw1', secret!))).toBe('secret of gw1');
});

test('a port that is taken is named, and so is the option that sets it', async () => {
  const options = { host: '127.0.0.1', port, option: '--device-port', mqtt: () => ({ port: 1 }) };
  const ports = {
    identity,
    fleet: {} as never,
    secrets: {} as never,
    store,
    statements,
    dataPlane: plane.ports,
    logger: pino({ level: 'silent' }),
    now: Date.now,
  };
  await expect(createDeviceApi(ports, options).start()).rejects.toMatchObject({
    code: 'port-taken',
    message: expect.stringContaining(`${port}`),
    remedy: expect.stringContaining('--device-port'),
  });
});

describe('a certificate that ends', () => {
  const connected = async (device: DeviceFixture) => {
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const options = { host: '127.0.0.1', port, ca: identity.ca, servername: 'localhost', checkServerIdentity, agent };
    const request_ = request({ ...options, path: `/v1/bundles/${HASH}`, key: device.key, cert: device.cert });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request_.once('response', resolve).once('error', reject).end();
    });
    const { socket } = response;
    response.resume();
    socket.on('error', () => {});
    expect(response.statusCode).toBe(200);
    return { isCut: () => socket.destroyed };
  };

  test('cuts the connections on which it was shown, and no others', async () => {
    const [device, other] = [await signedDevice(identity, 'gw1'), await signedDevice(identity, 'gw2')];
    serials.set('gw1', device.serial).set('gw2', other.serial);
    const [first, second, neighbour] = [await connected(device), await connected(device), await connected(other)];
    await api.recheck('gw1');
    expect([first.isCut(), second.isCut()]).toEqual([false, false]);
    serials.delete('gw1');
    await api.recheck('gw1');
    await expect.poll(() => [first.isCut(), second.isCut(), neighbour.isCut()]).toEqual([true, true, false]);
    expect((await ask('GET', `/v1/bundles/${HASH}`, { device })).status).toBe(401);
  });
});

test('bytes that are no request, or half of one, end no more than their own connection', async () => {
  const device = await signedDevice(identity, 'gw1');
  serials.set('gw1', device.serial);
  const odd = [
    '\0'.repeat(100),
    'GET',
    'GET / HTTP/9.9\r\n\r\n',
    'POST /v1/join HTTP/1.1\r\nhost: hub\r\ncontent-length: 99999999999\r\n\r\n{}',
    'POST /v1/join HTTP/1.1\r\nhost: hub\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    'POST /v1/join HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\ncontent-length: 18\r\n\r\n{"__proto__":{}}  ',
    `GET /v1/bundles/${'../'.repeat(50)} HTTP/1.1\r\nhost: hub\r\n\r\n`,
    `GET / HTTP/1.1\r\nhost: hub\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
    ...Array.from({ length: 20 }, () => randomBytes(500).toString('latin1')),
  ];
  for (const text of odd) {
    const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca: identity.ca });
    socket.on('error', () => {});
    socket.resume();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(text, 'latin1');
    socket.end();
    await closed;
  }
  expect((await ask('GET', `/v1/bundles/${HASH}`, { device })).status).toBe(200);
});

test('joins are limited over all addresses, too', async () => {
  await api.stop();
  const rate = { burst: 2, perMinute: 1, callersMax: 1 };
  await startApi({ joinRate: { burst: 1_000, perMinute: 1_000, callersMax: 10 }, joinRateOfAll: rate });
  const statuses: number[] = [];
  for (let n = 0; n < 3; n++) {
    statuses.push((await ask('POST', '/v1/join', { body: await joinBody({ device: `gw${n}` }) })).status);
  }
  expect(statuses).toEqual([200, 200, 429]);
});

test('the rate limit: a burst, then a steady rate, by caller, and no more callers than it may remember', () => {
  const limiter = new RateLimiter({ burst: 2, perMinute: 60, callersMax: 2 });
  expect([limiter.take('a', 0), limiter.take('a', 0), limiter.take('a', 0)]).toEqual([0, 0, 1000]);
  expect(limiter.take('b', 0)).toBe(0);
  expect([limiter.take('a', 500), limiter.take('a', 1000)]).toEqual([500, 0]);
  limiter.take('c', 1000);
  expect(limiter.take('b', 1000)).toBe(0);
});
