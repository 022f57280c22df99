import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { type Authority, makeAuthority } from './authority.fixture.ts';
import { HubTrust, type TrustedTime } from './trust.ts';

const DAY = 86_400_000;
const LONG_AGO = Date.now() - 300 * DAY;
const AHEAD = Date.now() + 300 * DAY;

async function startHub({ key, certificate }: { key: string; certificate: string }): Promise<number> {
  const server = createServer({ key, cert: certificate }, (socket) => socket.on('error', () => {})).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** @returns what is wrong with who answers; undefined: it is the hub */
function ask(trust: HubTrust, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, ...trust.options() });
    const end = (fault: (Error & { code?: string }) | undefined) => {
      socket.destroy();
      if (fault !== undefined) trust.failed(fault);
      resolve(fault && (fault.code ?? fault.message));
    };
    trust.guard(socket, end);
    socket.once('secureConnect', () => end(undefined));
    socket.once('error', end);
  });
}

const known = (now = Date.now() + 60_000): TrustedTime => ({
  isKnown: true,
  isWallWrong: true,
  earliest: now,
  now: () => now,
});
const unknown = (earliest: number, isWallWrong = true): TrustedTime => ({
  isKnown: false,
  isWallWrong,
  earliest,
  now: () => earliest,
});
const issue = (ca: Authority, changes: Parameters<Authority['issue']>[2] = {}) =>
  ca.issue('hub', ['127.0.0.1'], changes);

test.each<[string, TrustedTime | undefined, string | undefined]>([
  ['the machine’s clock is right', undefined, undefined],
  ['it is known what time it is, by another clock', known(), undefined],
  ['it is known, and the certificate is long expired', known(AHEAD), 'CERT_HAS_EXPIRED'],
  ['it is known, and the certificate is one of the future', known(LONG_AGO), 'CERT_NOT_YET_VALID'],
  ['nobody knows it, and the certificate is one of the future', unknown(LONG_AGO), undefined],
  ['nobody knows it, and it expired before the last time that was known', unknown(AHEAD), 'CERT_HAS_EXPIRED'],
])('the hub is believed as far as its time is: %s', async (_name, time, fault) => {
  const ca = await makeAuthority('CA');
  const port = await startHub(
    await issue(ca, { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + DAY) }),
  );
  expect(await ask(new HubTrust(ca.pem, '127.0.0.1', time), port)).toBe(fault);
});

test.each<[string, (ca: Authority, other: Authority) => ReturnType<Authority['issue']>, string]>([
  ['of another CA', (_ca, other) => issue(other), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['under another name', (ca) => ca.issue('hub', ['10.0.0.1']), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['of a device', (ca) => issue(ca, { usage: 'client' }), 'INVALID_PURPOSE'],
])('whatever nobody knows of the time: a certificate %s is none of the hub', async (_name, make, fault) => {
  const ca = await makeAuthority('CA');
  const port = await startHub(await make(ca, await makeAuthority('CA')));
  expect(await ask(new HubTrust(ca.pem, '127.0.0.1', unknown(LONG_AGO)), port)).toBe(fault);
});

test('a machine that seems right, and to whose clock the certificate is none of today, is asked a second time', async () => {
  const ca = await makeAuthority('CA');
  const port = await startHub(await issue(ca, { notBefore: new Date(AHEAD), notAfter: new Date(AHEAD + DAY) }));
  const assumed = new HubTrust(ca.pem, '127.0.0.1', unknown(LONG_AGO, false));
  expect(await ask(assumed, port)).toBe('CERT_NOT_YET_VALID');
  expect(await ask(assumed, port)).toBeUndefined();
  const right = new HubTrust(ca.pem, '127.0.0.1', { ...known(), isWallWrong: false });
  for (let attempt = 0; attempt < 2; attempt++) expect(await ask(right, port)).toBe('CERT_NOT_YET_VALID');
});
