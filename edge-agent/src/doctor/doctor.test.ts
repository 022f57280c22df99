import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createServer as createTlsServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { defaultConfig } from '../config/config.ts';
import { makeAuthority } from '../identity/authority.fixture.ts';
import type { Identity } from '../identity/identity.ts';
import type { TrustedTime } from '../identity/trust.ts';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { checkAgentClock, checkClock, checkNode, examine } from './doctor.ts';
import { formatFindings } from './finding.ts';
import { checkBroker, checkCertificate, checkHub } from './network.ts';
import { checkSecrets, checkStorage } from './storage.ts';

const config = defaultConfig();

async function storageOf(folder: string): Promise<Record<string, string>> {
  const findings = await checkStorage(folder, config);
  return Object.fromEntries(findings.map(({ name, level }) => [name, level]));
}

test('a device that is as it should be has no failure, and every other finding says what to do', async () => {
  const folder = temporaryFolder();
  const findings = await examine(join(folder, 'agent'), { ...config, mqtt: { ...config.mqtt, port: 0 } });
  expect(findings.filter(({ level }) => level === 'fail')).toEqual([]);
  expect(findings.filter(({ level, remedy }) => level !== 'ok' && remedy === undefined)).toEqual([]);
  expect(findings.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['node', 'data folder', 'free space', 'database', 'secrets', 'clock', 'sandbox', 'hub']),
  );
});

test('a database that was damaged is found, a whole one is not blamed', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'spool.db');
  const db = new DatabaseSync(file);
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)');
  db.close();
  expect(await storageOf(folder)).toMatchObject({ 'data folder': 'ok', database: 'ok' });
  writeFileSync(file, 'no database at all, but a text that is longer than the head of one would have to be');
  expect(await storageOf(folder)).toMatchObject({ database: 'fail' });
});

test('a data folder that is a file cannot be written', async () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  expect(await storageOf(file)).toEqual({ 'data folder': 'fail' });
});

test('secrets that others may read are named, with the command that closes them', async () => {
  const folder = temporaryFolder();
  expect(await checkSecrets(folder)).toMatchObject({ level: 'ok' });
  const credentials = join(folder, 'credentials');
  mkdirSync(credentials, { mode: 0o700 });
  const secret = join(credentials, 'sensor-password');
  writeFileSync(secret, 'x', { mode: 0o600 });
  expect(await checkSecrets(folder)).toMatchObject({ level: 'ok' });
  chmodSync(secret, 0o644);
  expect(await checkSecrets(folder)).toMatchObject({ level: 'fail', remedy: `chmod go= ${secret}` });
});

test('a port that another program has is a failure; one that the agent has is not', async () => {
  const other = createServer();
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
  });
  onTestFinished(() => void other.close());
  const taken = { ...config, mqtt: { ...config.mqtt, port } };
  expect(await checkBroker(taken, undefined)).toMatchObject({ level: 'fail' });
  expect(await checkBroker(taken, { host: '127.0.0.1', port })).toMatchObject({ level: 'ok' });
});

const NOW = Date.UTC(2026, 6, 1);

test.each([
  [checkNode('24.21.0'), 'ok'],
  [checkNode('20.9.0'), 'fail'],
  [checkClock(Date.UTC(1970, 0, 2), undefined), 'fail'],
  [checkClock(Date.UTC(2026, 6, 1), undefined), 'ok'],
  [checkClock(Date.UTC(2026, 6, 1), true), 'ok'],
  [checkClock(Date.UTC(2026, 6, 1), false), 'warn'],
  [checkClock(Date.UTC(2106, 1, 7), true), 'fail'],
  [checkAgentClock({ certainty: 'synchronised', source: 'hub', wallAheadMs: 20, hubAheadMs: 0 }, NOW), 'ok'],
  [checkAgentClock({ certainty: 'synchronised', source: 'hub', wallAheadMs: -NOW, hubAheadMs: 0 }, NOW), 'warn'],
  [checkAgentClock({ certainty: 'assumed', source: 'wall', wallAheadMs: 0, hubAheadMs: undefined }, NOW), 'warn'],
  [checkCertificate(undefined, 0), 'ok'],
])('%o is told as %s', ({ level }, expected) => {
  expect(level).toBe(expected);
});

test('a hub whose certificate is of the future by a clock that is wrong, or expired, is the hub all the same', async () => {
  const day = 86_400_000;
  const now = Date.now();
  const ca = await makeAuthority('CA', { notBefore: new Date(now - 100 * day) });
  const past = { notBefore: new Date(now - 30 * day), notAfter: new Date(now - 20 * day) };
  const hub = await ca.issue('hub', ['127.0.0.1'], past);
  const server = createTlsServer({ key: hub.key, cert: hub.certificate }, (socket) => socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const device = await ca.issue('gw1', ['127.0.0.1']);
  const identity = { ca: ca.pem, certificate: device.certificate, key: device.key, mqtt: { host: '127.0.0.1', port } };
  const check = (time: TrustedTime) => checkHub(identity as Identity, config, time);
  const at = (days: number) => ({ earliest: now + days * day, now: () => now + days * day });
  expect(await check({ isKnown: true, isWallWrong: true, ...at(-25) })).toMatchObject({ level: 'ok' });
  expect(await check({ isKnown: false, isWallWrong: true, ...at(-25) })).toMatchObject({ level: 'ok' });
  expect(await check({ isKnown: true, isWallWrong: false, ...at(0) })).toMatchObject({
    level: 'warn',
    detail: expect.stringContaining('certificate has expired'),
  });
});

test('a hub that takes the certificate of the device no longer is told with what to do, though it answers', async () => {
  const ca = await makeAuthority('CA');
  const hub = await ca.issue('hub', ['127.0.0.1']);
  const device = await ca.issue('gw1', ['127.0.0.1']);
  let code = 'certificate-needed';
  const server = createHttpsServer({ key: hub.key, cert: hub.certificate }, (_request, response) => {
    response.writeHead(401).end(JSON.stringify({ error: { code, message: 'no', remedy: 'no' } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const address = { hub: `https://127.0.0.1:${port}`, mqtt: { host: '127.0.0.1', port } };
  const identity = { ca: ca.pem, certificate: device.certificate, key: device.key, ...address };
  const now = () => Date.now();
  const time: TrustedTime = { isKnown: true, isWallWrong: false, earliest: now(), now };
  const check = () => checkHub(identity as Identity, config, time);
  expect(await check()).toMatchObject({
    level: 'fail',
    detail: expect.stringContaining('does not take the certificate of this device'),
    remedy: expect.stringContaining('--replace'),
  });
  code = 'busy';
  expect(await check()).toMatchObject({ level: 'ok' });
});

test('a person reads one line for each finding, and below it what to do', () => {
  const text = formatFindings([
    { name: 'node', level: 'ok', detail: '24' },
    { name: 'clock', level: 'fail', detail: '1970', remedy: 'set it' },
  ]);
  expect(text).toBe(
    ['ok    node   24', 'fail  clock  1970', '             -> set it', '', '1 ok, 0 warnings, 1 failures'].join('\n'),
  );
});
