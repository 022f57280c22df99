import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { nodeHttp } from './node-http.ts';
import type { HttpCall } from './requests.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** @returns the port of a server on this machine */
async function serve(handler: Handler): Promise<number> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    handler(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const BODY_BYTES_MAX = 1_000;
const everywhereHere: LookupFunction = (_host, { all }, callback) =>
  all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4);
const send = nodeHttp({ bodyBytesMax: BODY_BYTES_MAX, lookup: everywhereHere });
const never = new AbortController().signal;

const call = (url: string, more: Partial<HttpCall> = {}): HttpCall => ({
  method: 'GET',
  url: new URL(url),
  headers: {},
  mayBePrivate: true,
  ...more,
});

test('method, headers and body arrive as they were given, and the answer comes back', async () => {
  const port = await serve(({ method, url, headers }, response, body) => {
    response.setHeader('x-request-id', 'r1');
    response.statusCode = 201;
    response.end(JSON.stringify({ method, url, host: headers.host, key: headers['idempotency-key'], body }));
  });
  const headers = { 'idempotency-key': 'gw1:f:1:0' };
  const answer = await send(
    call(`http://api.example.com:${port}/v1/x?y=1`, { method: 'PUT', headers, body: 'grün' }),
    never,
  );
  expect(answer).toMatchObject({ status: 201, headers: { 'x-request-id': 'r1' } });
  expect(JSON.parse(answer.body!)).toEqual({
    method: 'PUT',
    url: '/v1/x?y=1',
    host: `api.example.com:${port}`,
    key: 'gw1:f:1:0',
    body: 'grün',
  });
});

test.each([
  ['goes on for ever', (response: ServerResponse) => response.write('x')],
  ['breaks', (response: ServerResponse) => response.write('x', () => response.destroy())],
])('a success whose body %s is one where the status says it all, else a failure', async (_what, begin) => {
  const port = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    begin(response);
  });
  const told = nodeHttp({ bodyBytesMax: BODY_BYTES_MAX, lookup: everywhereHere, successWaitMs: 50 });
  const url = `http://api.example.com:${port}/`;
  expect(await told(call(url), never)).toMatchObject({ status: 200, fault: 'the body of the answer did not end' });
  await expect(send(call(url), AbortSignal.timeout(200))).rejects.toThrow();
});

test('a redirect is the answer: it is followed nowhere, for nobody has allowed that place', async () => {
  let asked = 0;
  const port = await serve((_request, response) => {
    asked++;
    response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
  });
  expect(await send(call(`http://localhost:${port}/`), never)).toMatchObject({ status: 302, body: '' });
  expect(asked).toBe(1);
});

test('a body without end is cut off, and said to be too large', async () => {
  let closed = false;
  const port = await serve((_request, response) => {
    response.on('close', () => {
      closed = true;
    });
    const more = () => response.write('x'.repeat(600), () => setImmediate(more));
    more();
  });
  const answer = await send(call(`http://localhost:${port}/`), never);
  expect(answer).toMatchObject({ status: 200, fault: `the body of the answer has more than ${BODY_BYTES_MAX} bytes` });
  expect(answer.body).toBeUndefined();
  await expect.poll(() => closed).toBe(true);
});

test.each([
  ['text in its own characters', { 'content-type': 'text/plain; charset="iso-8859-1"' }, [0x67, 0xfc], { body: 'gü' }],
  ['bytes that are no text', {}, [0xff, 0xfe, 0x00], { fault: 'the body of the answer is no text' }],
  [
    'characters nobody knows',
    { 'content-type': 'text/plain; charset=klingon' },
    [0x61],
    { fault: 'the body of the answer is no text' },
  ],
  [
    'what was compressed unasked',
    { 'content-encoding': 'gzip' },
    [0x61],
    { fault: 'the body of the answer is compressed by gzip' },
  ],
])('%s', async (_, headers, bytes, expected) => {
  const port = await serve((_request, response) => response.writeHead(200, headers).end(Buffer.from(bytes)));
  expect(await send(call(`http://localhost:${port}/`), never)).toMatchObject(expected);
});

test('from a host that has only public destinations nothing reaches a private address, whatever its name', async () => {
  let asked = 0;
  const port = await serve((_request, response) => {
    asked++;
    response.end();
  });
  for (const host of ['intranet.example.com', 'localhost', '127.0.0.1', '2130706433', '[::ffff:127.0.0.1]']) {
    const refused = send(call(`http://${host}:${port}/`, { mayBePrivate: false }), never);
    await expect(refused, host).rejects.toMatchObject({
      name: 'RequestFailure',
      retryable: false,
      message: expect.stringContaining('no public address'),
    });
  }
  expect(asked).toBe(0);
});

test.each<[string, Handler]>([
  ['never answers', () => {}],
  ['ends in the middle', (_request, response) => response.writeHead(200, { 'content-length': '10' }).write('12345')],
])('a server that %s holds up nobody after the time is over', async (_, handler) => {
  const port = await serve(handler);
  const timeout = new AbortController();
  const answer = send(call(`http://localhost:${port}/`), timeout.signal);
  await new Promise((resolve) => setImmediate(resolve));
  timeout.abort();
  await expect(answer).rejects.toMatchObject({ name: 'RequestFailure' });
});

test('a connection that breaks, or is refused, is a failure that may pass', async () => {
  const port = await serve((request, response) => {
    if (request.url === '/half')
      response.writeHead(200, { 'content-length': '10' }).write('12345', () => request.socket.destroy());
    else request.socket.destroy();
  });
  for (const path of ['/none', '/half']) {
    await expect(send(call(`http://localhost:${port}${path}`), never)).rejects.toMatchObject({ retryable: true });
  }
  await expect(send(call('http://localhost:1/'), never)).rejects.toMatchObject({
    retryable: true,
    message: expect.stringContaining('ECONNREFUSED'),
  });
});
