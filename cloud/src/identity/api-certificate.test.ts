import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type Server } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ApiCertificate } from './api-certificate.ts';
import { makeCa, makeServer } from './certificates.ts';

let folder: string;
let server: Server | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-certificate-'));
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

const signing = () => ({ now: Date.now(), random: randomBytes });

async function pairFor(...hosts: string[]) {
  const ca = await makeCa(signing());
  const { certificate, keyPem } = await makeServer(ca, hosts, signing());
  return { cert: `${certificate.toString('pem')}\n`, key: keyPem };
}

const files = () => ({ cert: join(folder, 'api.crt'), key: join(folder, 'api.key') });

function write({ cert, key }: { cert: string; key: string }): void {
  writeFileSync(files().cert, cert);
  writeFileSync(files().key, key);
}

async function listen(certificate: ApiCertificate): Promise<void> {
  server = createServer(certificate.options());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

/** PEM of what is shown to one who asks for `name`. */
async function shown(name?: string): Promise<string> {
  const { port } = server!.address() as AddressInfo;
  const about = { host: '127.0.0.1', port, rejectUnauthorized: false };
  const socket = connect(name === undefined ? about : { ...about, servername: name });
  await once(socket, 'secureConnect');
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return new X509Certificate(raw).toString();
}

const same = (pem: string) => new X509Certificate(pem).toString();

test('without files the hub shows its own, and the next one when it was made again', async () => {
  let own = await pairFor('hub.example.com');
  const certificate = new ApiCertificate({ server: () => own }, undefined);
  expect(await certificate.load()).toBe(true);
  expect(await certificate.load()).toBe(false);
  await listen(certificate);
  for (const name of ['hub.example.com', 'localhost', undefined]) expect(await shown(name)).toBe(same(own.cert));
  own = await pairFor('hub.example.com');
  expect(await certificate.load()).toBe(true);
  server!.setSecureContext(certificate.options());
  for (const name of ['hub.example.com', undefined]) expect(await shown(name)).toBe(same(own.cert));
});

test('one from files is for its names; the hub and its machine still see its own; a change is seen', async () => {
  const own = await pairFor('localhost', '127.0.0.1');
  const first = await pairFor('hub.example.com');
  write(first);
  const certificate = new ApiCertificate({ server: () => own }, files());
  await certificate.load();
  await listen(certificate);
  expect(await shown('hub.example.com')).toBe(same(first.cert));
  for (const name of ['localhost', 'other.example.com', undefined]) expect(await shown(name)).toBe(same(own.cert));
  const second = await pairFor('hub.example.com');
  write(second);
  expect(await certificate.load()).toBe(true);
  expect(await shown('hub.example.com')).toBe(same(second.cert));
});

test('one that is for addresses is shown to those who ask by address', async () => {
  const own = await pairFor('localhost', '127.0.0.1');
  const theirs = await pairFor('hub.example.com', '192.0.2.1');
  write(theirs);
  const certificate = new ApiCertificate({ server: () => own }, files());
  await certificate.load();
  await listen(certificate);
  expect(await shown()).toBe(same(theirs.cert));
  expect(await shown('localhost')).toBe(same(own.cert));
});

test('files that are missing, half written or of another pair are refused, and what was shown stays', async () => {
  const own = await pairFor('localhost');
  const certificate = new ApiCertificate({ server: () => own }, files());
  const refused = { code: 'certificate-invalid', remedy: expect.stringContaining('listen.api.tls') };
  await expect(certificate.load()).rejects.toMatchObject(refused);
  const good = await pairFor('hub.example.com');
  write(good);
  await certificate.load();
  await listen(certificate);
  const next = await pairFor('hub.example.com');
  for (const broken of [
    { ...next, key: good.key },
    { ...next, cert: next.cert.slice(0, 200) },
    { cert: '', key: '' },
  ]) {
    write(broken);
    await expect(certificate.load()).rejects.toMatchObject(refused);
    expect(await shown('hub.example.com')).toBe(same(good.cert));
  }
});
