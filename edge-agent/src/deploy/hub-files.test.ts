import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { makeAuthority } from '../identity/authority.fixture.ts';
import { hubFiles } from './hub-files.ts';

const BUNDLE = Buffer.from('a bundle');
const HASH = createHash('sha256').update(BUNDLE).digest('hex');
const TIMEOUT_MS = 300;

async function startHub(body: Buffer) {
  const ca = await makeAuthority('CA');
  const hub = await ca.issue('hub', ['127.0.0.1']);
  const asked: string[] = [];
  const tls = { key: hub.key, cert: hub.certificate, ca: ca.pem, requestCert: true, rejectUnauthorized: true };
  const server = createServer(tls, (request, response) => {
    asked.push(`${(request.socket as TLSSocket).getPeerCertificate().subject.CN} ${request.url}`);
    if (request.url === `/v1/bundles/${HASH}`) response.end(body);
    else if (request.url?.includes('slow') !== true) response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const device = await ca.issue('gw1');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { files: hubFiles({ hub: url, ca: ca.pem }, () => device, TIMEOUT_MS), asked };
}

test('a bundle comes by its hash, to who shows the certificate of the device', async () => {
  const { files, asked } = await startHub(BUNDLE);
  expect(Buffer.from(await files.bundle(HASH, BUNDLE.length))).toEqual(BUNDLE);
  expect(asked).toEqual([`gw1 /v1/bundles/${HASH}`]);
});

test.each([
  [
    'other bytes than wanted',
    Buffer.from('b bundle'),
    HASH,
    8,
    /^hash-mismatch: the bundle's hash is [0-9a-f]{64}, not /,
  ],
  ['more bytes than announced', Buffer.alloc(1_000_000), HASH, 8, /^too-long: the bundle has more than 8 bytes$/],
  ['nothing', BUNDLE, 'unknown', 8, /^the hub answered 404 for the bundle$/],
  ['no answer', BUNDLE, 'slow', 8, /aborted/],
])('%s: refused, with the reason', async (_name, body, hash, bytes, reason) => {
  const { files } = await startHub(body);
  await expect(files.bundle(hash, bytes)).rejects.toThrow(reason);
});
