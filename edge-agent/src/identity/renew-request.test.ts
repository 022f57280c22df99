import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createSilent } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { makeAuthority } from './authority.fixture.ts';
import { renewalRequester } from './renew-request.ts';

async function asked(hub: string, { pem, own }: Awaited<ReturnType<typeof device>>, timeoutMs = 10_000) {
  return renewalRequester({ hub, ca: pem }, () => own, timeoutMs)('a request');
}

async function device() {
  const authority = await makeAuthority('CA');
  return { authority, pem: authority.pem, own: await authority.issue('gw1') };
}

test('a hub that is not there is said to be so: where, why and what to do', async () => {
  const gone = createSilent().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  gone.close();
  await once(gone, 'close');
  await expect(asked(`https://127.0.0.1:${port}`, await device())).rejects.toMatchObject({
    code: 'hub-unreachable',
    message: `the hub at 127.0.0.1:${port} cannot be reached: nothing listens there (ECONNREFUSED)`,
    remedy: expect.stringMatching(/stays in use.*weir-agent doctor/),
  });
});

test('one that does not answer is waited for no longer than the uplink waits', async () => {
  const silent = createSilent().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  await expect(asked(`https://127.0.0.1:${port}`, await device(), 100)).rejects.toMatchObject({
    code: 'hub-unreachable',
    message: `the hub at 127.0.0.1:${port} cannot be reached: no answer within 0.1 s`,
  });
});

test.each([
  [
    (response: ServerResponse) =>
      response.writeHead(403).end(JSON.stringify({ error: { message: 'gw1 is revoked', remedy: 'join again' } })),
    { message: 'the hub gave no certificate: gw1 is revoked', remedy: 'join again' },
  ],
  [
    (response: ServerResponse) => response.writeHead(502).end('bad gateway'),
    { message: 'the hub gave no certificate: 502 bad gateway', remedy: 'see the log of the hub' },
  ],
])('%# what a hub says that refuses is told in its words', async (answer, told) => {
  const known = await device();
  const { key, certificate } = await known.authority.issue('hub', ['127.0.0.1']);
  const server = createServer({ key, cert: certificate }, (_request, response) => void answer(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  await expect(asked(`https://127.0.0.1:${port}`, known)).rejects.toMatchObject({ code: 'renewal-refused', ...told });
});
