import 'reflect-metadata';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join as joinPath } from 'node:path';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { formatJoinToken, type JoinRequest } from '@weir/protocols';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { type Authority, makeAuthority } from './authority.fixture.ts';
import { makeKeyAndRequest } from './csr.ts';
import { readIdentity } from './identity.ts';
import { join } from './join.ts';
import { secretIn } from './secrets.ts';

const SECRET = 'a'.repeat(22);

interface HubOptions {
  presented?: Authority;
  addresses?: string[];
  /** What happens in place of the answer, for each that was asked. */
  instead?: ((response: ServerResponse) => void)[];
}

/** A hub as far as enrolment goes: its certificate signed by `signer`, its chain ending in `presented`. */
async function startHub(
  signer: Authority,
  { presented = signer, addresses = ['127.0.0.1'], instead = [] }: HubOptions = {},
) {
  const { key, certificate } = await signer.issue('hub', addresses);
  const asked: JoinRequest[] = [];
  const server = createServer({ key, cert: `${certificate}\n${presented.pem}` }, async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString()) as JoinRequest;
    asked.push(body);
    if (body.secret !== SECRET) {
      const error = { code: 'token-invalid', message: 'the token is not known', remedy: 'ask for another' };
      response.writeHead(403).end(JSON.stringify({ error }));
      return;
    }
    const otherwise = instead.shift();
    if (otherwise !== undefined) return otherwise(response);
    const publicKey = await new Pkcs10CertificateRequest(body.csr).publicKey.export();
    const answer = {
      device: body.device,
      certificate: await signer.sign(body.device, publicKey),
      ca: signer.pem,
      mqtt: { host: '127.0.0.1', port: 8883 },
    };
    response.end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const tokenOf = ({ sha256 }: Authority, secret = SECRET) => formatJoinToken({ secret, caSha256: sha256 });

test('a device is enrolled with a key that never left it, kept for its owner only', async () => {
  const ca = await makeAuthority('Weir CA');
  const { url, asked } = await startHub(ca);
  const data = temporaryFolder();
  const identity = await join({ url, token: tokenOf(ca), name: 'gw1', data });
  expect(await readIdentity(data)).toEqual(identity);
  expect(identity).toMatchObject({ device: 'gw1', hub: url, mqtt: { host: '127.0.0.1', port: 8883 } });
  expect(JSON.stringify(asked)).not.toContain('PRIVATE');
  const certified = new X509Certificate(identity.certificate).publicKey.export({ type: 'spki', format: 'pem' });
  const own = createPublicKey(createPrivateKey(identity.key)).export({ type: 'spki', format: 'pem' });
  expect(certified).toBe(own);
  const folder = joinPath(data, 'credentials');
  expect(readdirSync(folder)).toEqual(['identity.json']);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(joinPath(folder, 'identity.json')).mode & 0o777).toBe(0o600);
});

test('an enrolled device is not enrolled again by accident, and can be on purpose', async () => {
  const ca = await makeAuthority('Weir CA');
  const { url, asked } = await startHub(ca);
  const options = { url, token: tokenOf(ca), name: 'gw1', data: temporaryFolder() };
  const first = await join(options);
  await expect(join(options)).rejects.toMatchObject({
    code: 'already-enrolled',
    message: `this device is enrolled already, as gw1 at ${url}`,
    remedy: expect.stringContaining('--force'),
  });
  expect(asked.length).toBe(1);
  const second = await join({ ...options, force: true });
  expect(second.key).not.toBe(first.key);
});

describe('a join whose answer was lost', () => {
  const lost = (response: ServerResponse) => void response.destroy();
  const refused = (status: number) => (response: ServerResponse) =>
    void response.writeHead(status).end(JSON.stringify({ error: { code: 'x', message: 'no', remedy: '' } }));

  test('is asked for again with the same key, which is on the disk before it is asked for', async () => {
    const ca = await makeAuthority('Weir CA');
    const { url, asked } = await startHub(ca, { instead: [lost, refused(429), refused(500)] });
    const options = { url, token: tokenOf(ca), name: 'gw1', data: temporaryFolder() };
    await expect(join(options)).rejects.toMatchObject({ code: 'hub-unreachable' });
    const kept = readFileSync(joinPath(options.data, 'credentials', 'joining.json'), 'utf8');
    expect(kept).not.toContain(SECRET);
    expect(statSync(joinPath(options.data, 'credentials', 'joining.json')).mode & 0o777).toBe(0o600);
    for (let n = 0; n < 2; n++) await expect(join(options)).rejects.toMatchObject({ code: 'hub-busy' });
    const { key } = await join(options);
    expect(new Set(asked.map(({ csr }) => csr)).size).toBe(1);
    expect(JSON.parse(kept).key).toBe(key);
    expect(readdirSync(joinPath(options.data, 'credentials'))).toEqual(['identity.json']);
  });

  test('under another name or with another token, or after a refusal, it is another one, with another key', async () => {
    const ca = await makeAuthority('Weir CA');
    const { url, asked } = await startHub(ca, { instead: [lost, lost, refused(409), lost] });
    const options = { url, token: tokenOf(ca), name: 'gw1', data: temporaryFolder() };
    for (const name of ['gw1', 'gw2', 'gw2', 'gw2']) await expect(join({ ...options, name })).rejects.toThrow();
    expect(new Set(asked.map(({ csr }) => csr)).size).toBe(3);
  });

  test('goes on where what was kept of it is damaged', async () => {
    const ca = await makeAuthority('Weir CA');
    const { url } = await startHub(ca, { instead: [lost] });
    const options = { url, token: tokenOf(ca), name: 'gw1', data: temporaryFolder() };
    await expect(join(options)).rejects.toThrow();
    writeFileSync(joinPath(options.data, 'credentials', 'joining.json'), '{"version": 1, "dev');
    expect(await join(options)).toMatchObject({ device: 'gw1' });
  });
});

test.each([
  ['another hub', async (other: Authority) => startHub(other)],
  // The impostor shows the right CA, and a certificate it did not sign.
  [
    'an impostor that shows the right CA',
    async (other: Authority, ca: Authority) => startHub(other, { presented: ca }),
  ],
  ['a hub under another name', async (_: Authority, ca: Authority) => startHub(ca, { addresses: ['10.0.0.1'] })],
])('the secret is not sent to %s', async (_name, start) => {
  const ca = await makeAuthority('Weir CA');
  const { url, asked } = await start(await makeAuthority('Weir CA'), ca);
  const data = temporaryFolder();
  await expect(join({ url, token: tokenOf(ca), name: 'gw1', data })).rejects.toMatchObject({ name: 'UsageError' });
  expect(asked).toEqual([]);
  expect(await readIdentity(data)).toBeUndefined();
});

test('what the hub refuses is told in its words, and nothing is kept', async () => {
  const ca = await makeAuthority('Weir CA');
  const { url } = await startHub(ca);
  const data = temporaryFolder();
  await expect(join({ url, token: tokenOf(ca, 'b'.repeat(22)), name: 'gw1', data })).rejects.toMatchObject({
    code: 'join-refused',
    message: 'the hub refused: the token is not known',
    remedy: 'ask for another',
  });
  expect(await readIdentity(data)).toBeUndefined();
});

test.each([
  ['token-malformed', { token: 'weir1.short' }],
  ['url-malformed', { url: 'http://hub:80' }],
  ['name-invalid', { name: 'gw 1' }],
  ['hub-unreachable', { url: 'https://127.0.0.1:1' }],
])('%s is told before anything is sent', async (code, change) => {
  const token = formatJoinToken({ secret: SECRET, caSha256: 'c'.repeat(43) });
  const options = { url: 'https://127.0.0.1:1', token, name: 'gw1', data: temporaryFolder(), ...change };
  await expect(join(options)).rejects.toMatchObject({ code });
});

test('an address, a name and a token that are all wrong are told at once, not one after another', async () => {
  const wrong = { url: 'notaurl', token: 'x', name: 'gw 1', data: temporaryFolder() };
  await expect(join(wrong)).rejects.toMatchObject({
    code: 'token-malformed',
    message: 'the token is not complete; "gw 1" cannot be the name of a device; notaurl is not the address of a hub',
    remedy: expect.stringMatching(/^copy it again: .*; give --name .*; write it as https:\/\/host:port$/),
  });
});

test('the password of sensors is made once, and only its owner may read it', async () => {
  const file = joinPath(temporaryFolder(), 'credentials', 'sensor-password');
  const [first, second] = [await secretIn(file), await secretIn(file)];
  expect(first).toMatch(/^[\w-]{24}$/);
  expect(second).toBe(first);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('the certificate request is what a CA takes', async () => {
  const { csr } = await makeKeyAndRequest('gw1');
  const parsed = new Pkcs10CertificateRequest(csr);
  expect(await parsed.verify()).toBe(true);
  expect(parsed.subject).toBe('CN=gw1');
});
