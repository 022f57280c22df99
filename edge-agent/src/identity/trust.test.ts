import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { type Authority, type CertificateChanges, makeAuthority } from './authority.fixture.ts';
import { HubTrust, type TrustedTime } from './trust.ts';

const DAY = 86_400_000;
const NOW = Date.now();
/** Of a certificate that has expired by the clock of this machine, which is right. */
const PAST = { notBefore: new Date(NOW - 30 * DAY), notAfter: new Date(NOW - 20 * DAY) };

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

const known = (days: number, isWallWrong = true): TrustedTime => {
  const now = NOW + days * DAY;
  return { isKnown: true, isWallWrong, earliest: now, now: () => now };
};
const unknown = (days: number, isWallWrong = true): TrustedTime => ({ ...known(days, isWallWrong), isKnown: false });
const makeCa = () => makeAuthority('CA', { notBefore: new Date(NOW - 100 * DAY) });
const issue = (ca: Authority, changes: CertificateChanges = {}) =>
  ca.issue('hub', ['127.0.0.1'], { ...PAST, ...changes });

/** What TLS says by itself, and what comes of the next attempt. */
async function askTwice(ca: Authority, port: number, time: TrustedTime | undefined) {
  const trust = new HubTrust(ca.pem, '127.0.0.1', time);
  return [await ask(trust, port), await ask(trust, port)];
}

test.each<[string, TrustedTime | undefined, string | undefined]>([
  ['the machine’s clock is right', undefined, 'CERT_HAS_EXPIRED'],
  ['it is known, and the machine’s clock says the same', known(0, false), 'CERT_HAS_EXPIRED'],
  ['it is known to be earlier than the machine’s clock says', known(-25), undefined],
  ['it is known, and it has expired', known(-19), 'CERT_HAS_EXPIRED'],
  ['it is known, and it is one of the future', known(-31), 'CERT_NOT_YET_VALID'],
  ['nobody knows it, and it may be', unknown(-25), undefined],
  ['nobody knows it, and it may be one of the future', unknown(-31), undefined],
  ['nobody knows it, though the machine’s clock seems right', unknown(-31, false), undefined],
  ['nobody knows it, and it expired before the last time that was known', unknown(-19), 'CERT_HAS_EXPIRED'],
])('a certificate is believed as far as the time is: %s', async (_name, time, fault) => {
  const ca = await makeCa();
  const port = await startHub(await issue(ca));
  expect(await askTwice(ca, port, time)).toEqual(['CERT_HAS_EXPIRED', fault]);
});

test.each<[string, (ca: Authority, other: Authority) => ReturnType<Authority['issue']>, string]>([
  ['of another CA', (_ca, other) => issue(other), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['under another name', (ca) => ca.issue('hub', ['10.0.0.1'], PAST), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['of a device', (ca) => issue(ca, { usage: 'client' }), 'INVALID_PURPOSE'],
])('whatever nobody knows of the time: a certificate %s is none of the hub', async (_name, make, fault) => {
  const ca = await makeCa();
  const port = await startHub(await make(ca, await makeCa()));
  const trust = new HubTrust(ca.pem, '127.0.0.1', unknown(-25));
  trust.failed(Object.assign(new Error(), { code: 'CERT_NOT_YET_VALID' }));
  expect(await ask(trust, port)).toBe(fault);
});

test('who is in order for TLS is in order, and nothing is looked at by hand before TLS has said no', async () => {
  const ca = await makeCa();
  const port = await startHub(await ca.issue('hub', ['127.0.0.1']));
  expect(await askTwice(ca, port, unknown(-25))).toEqual([undefined, undefined]);
  const other = await startHub(await (await makeCa()).issue('hub', ['127.0.0.1']));
  const [first, second] = await askTwice(ca, other, unknown(-25));
  expect([first, second]).toEqual([expect.stringMatching(/SIGNATURE|CERT/), first]);
});
