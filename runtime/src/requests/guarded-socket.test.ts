import type { AddressInfo, LookupFunction } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { withinNetworks } from './addresses.ts';
import { guardedSocket } from './guarded-socket.ts';
import { nodeHttp } from './node-http.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function listen(): Promise<{ port: number; seen: () => number }> {
  let seen = 0;
  const server = createServer((socket) => {
    seen++;
    socket.on('error', () => {});
    socket.end('HTTP/1.1 204 None\r\nconnection: close\r\n\r\n');
  });
  cleanups.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, seen: () => seen };
}

const never = new AbortController().signal;
const ruleOf = (...networks: string[]) => ({ allows: withinNetworks(networks), refusal: 'not allowed here' });

test('an address that is allowed is reached, by name or as it is', async () => {
  const { port } = await listen();
  const open = guardedSocket({ rule: ruleOf('127.0.0.0/8') });
  for (const host of ['127.0.0.1', '[::ffff:127.0.0.1]']) {
    const socket = await open({ host, port }, never);
    socket.destroy();
  }
});

test('what is not allowed is never connected to, and says why for good', async () => {
  const { port, seen } = await listen();
  const open = guardedSocket({ rule: ruleOf('192.168.0.0/16') });
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]']) {
    await expect(open({ host, port }, never), host).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining('not allowed here'),
    });
  }
  expect(seen()).toBe(0);
});

/** The first answer is harmless, all others are what the attacker wants. */
function rebinding(first: string, then: string): LookupFunction {
  let asked = 0;
  return (_host, _options, callback) => callback(null, [{ address: asked++ === 0 ? first : then, family: 4 }]);
}

test('a name that is bound anew to an address within, after it was looked at, is refused at the connection', async () => {
  const { port, seen } = await listen();
  const lookup = rebinding('127.0.0.2', '127.0.0.1');
  const rule = ruleOf('127.0.0.2/32');
  const send = nodeHttp({ bodyBytesMax: 100, lookup, rule });
  const url = new URL(`http://rebind.example:${port}/`);
  const call = { method: 'POST' as const, url, headers: {}, body: '', mayBePrivate: false };
  // Allowed by the rule, and nobody listens there.
  await expect(send(call, never)).rejects.toMatchObject({ retryable: true });
  await expect(send(call, never)).rejects.toMatchObject({
    retryable: false,
    message: expect.stringContaining('127.0.0.1'),
  });
  await expect(guardedSocket({ rule, lookup })({ host: 'rebind.example', port }, never)).rejects.toMatchObject({
    retryable: false,
  });
  expect(seen()).toBe(0);
});
