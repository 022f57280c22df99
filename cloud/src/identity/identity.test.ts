import 'reflect-metadata';
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { afterAll, expect, test } from 'vitest';
import { openIdentity } from './identity.ts';

const NOW = Date.now();
const DAY = 86_400_000;
const root = await mkdtemp(join(tmpdir(), 'weir-identity-'));
afterAll(() => rm(root, { recursive: true }));
let folders = 0;
const newFolder = () => join(root, `${++folders}`);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function makeCsr(name = 'CN=whoever'): Promise<string> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: ALGORITHM });
  return request.toString('pem');
}

test('the CA stays the same across starts, and its files are for the owner alone', async () => {
  const folder = newFolder();
  const first = await openIdentity({ folder, hosts: ['localhost'], now: NOW, random: randomBytes });
  const second = await openIdentity({ folder, hosts: ['localhost'], now: NOW, random: randomBytes });
  expect(second.caSha256).toBe(first.caSha256);
  expect(second.server()).toEqual(first.server());
  for (const file of ['ca.key', 'server.key']) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
});

test('the server certificate names the hosts, is signed by the CA, and is made again when hosts change or time runs out', async () => {
  const folder = newFolder();
  const identity = await openIdentity({
    folder,
    hosts: ['hub.example', '127.0.0.1', '::1'],
    now: NOW,
    random: randomBytes,
  });
  const ca = new X509Certificate(identity.ca);
  const server = new X509Certificate(identity.server().cert);
  expect(server.verify(ca.publicKey)).toBe(true);
  expect(server.checkIssued(ca)).toBe(true);
  expect(server.checkHost('hub.example')).toBeDefined();
  expect(server.checkIP('127.0.0.1')).toBeDefined();
  const same = await openIdentity({
    folder,
    hosts: ['hub.example', '127.0.0.1', '::1'],
    now: NOW,
    random: randomBytes,
  });
  expect(same.server().cert).toBe(identity.server().cert);
  const moved = await openIdentity({ folder, hosts: ['other.example'], now: NOW, random: randomBytes });
  expect(new X509Certificate(moved.server().cert).checkHost('other.example')).toBeDefined();
  expect(await moved.renew(NOW + 300 * DAY)).toBe(false);
  expect(await moved.renew(NOW + 340 * DAY)).toBe(true);
});

test('a device gets a certificate in the name the hub gives, whatever its request says', async () => {
  const identity = await openIdentity({ folder: newFolder(), hosts: ['localhost'], now: NOW, random: randomBytes });
  const { certificate, serial, publicKey } = await identity.signDevice(await makeCsr('CN=admin'), 'gw1', NOW);
  const parsed = new X509Certificate(certificate);
  expect(parsed.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')).toBe(publicKey);
  expect(parsed.subject).toBe('CN=gw1');
  expect(parsed.serialNumber).toBe(serial);
  expect(parsed.verify(new X509Certificate(identity.ca).publicKey)).toBe(true);
  expect(parsed.ca).toBe(false);
  expect(parsed.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
});

test('a request whose signature is not that of its key is refused', async () => {
  const identity = await openIdentity({ folder: newFolder(), hosts: ['localhost'], now: NOW, random: randomBytes });
  const request = new x509.Pkcs10CertificateRequest(await makeCsr());
  const bytes = new Uint8Array(request.rawData);
  bytes[bytes.length - 1]! ^= 1;
  const forged = x509.PemConverter.encode(bytes, x509.PemConverter.CertificateRequestTag);
  for (const csr of [forged, 'junk', '']) {
    await expect(identity.signDevice(csr, 'gw1', NOW)).rejects.toMatchObject({ code: 'csr-invalid' });
  }
});

test('a start that was cut off while the CA was written begins anew', async () => {
  const folder = newFolder();
  await openIdentity({ folder, hosts: ['localhost'], now: NOW, random: randomBytes });
  await unlink(join(folder, 'ca.crt'));
  const again = await openIdentity({ folder, hosts: ['localhost'], now: NOW, random: randomBytes });
  expect(new X509Certificate(again.server().cert).verify(new X509Certificate(again.ca).publicKey)).toBe(true);
});
