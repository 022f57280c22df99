import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:https';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type Control, createControl } from './api/control.fixture.ts';
import { dataPlanePorts } from './dataplane/dataplane.fixture.ts';
import { ApiCertificate } from './identity/api-certificate.ts';
import { makeCa, makeServer } from './identity/certificates.ts';
import { createOperatorServer, type OperatorServer, type OperatorServerOptions } from './operator-server.ts';

let control: Control;
let server: OperatorServer;
afterEach(async () => {
  await server.stop();
  await control.close();
});

async function start(over: Partial<OperatorServerOptions>, certificate?: ApiCertificate): Promise<number> {
  control = await createControl();
  const { access, audit, limits } = control.options;
  const dataPlane = { ...dataPlanePorts().ports, access, audit, limits };
  server = createOperatorServer(
    { operators: control.options, dataPlane, ...(certificate !== undefined && { certificate }) },
    {
      ...{ host: '127.0.0.1', port: 0, option: '--api-port' },
      ...{ connectionsMax: 100, requestTimeoutMs: 60_000, headersTimeoutMs: 15_000, ...over },
    },
  );
  return server.start();
}

/** What is answered to `text` until the connection ends. */
async function talk(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk));
  // One that is not wanted may be reset.
  socket.on('error', () => {});
  socket.write(text);
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

test('who never ends the headers, or the body, is let go', async () => {
  const port = await start({ headersTimeoutMs: 200, requestTimeoutMs: 400 });
  expect(await talk(port, 'GET /api/v1/health HTTP/1.1\r\nhost: localh')).toContain('408');
  const authorization = `authorization: Bearer ${control.apiKey}`;
  const begun = `POST /api/v1/groups HTTP/1.1\r\nhost: localhost\r\n${authorization}\r\ncontent-length: 20\r\n\r\n{`;
  expect(await talk(port, begun)).toContain('408');
});

test('headers over 16 KiB are refused', async () => {
  const port = await start({});
  expect(await talk(port, `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)).toContain('431');
});

test('of more connections than there may be those that come last are closed', async () => {
  const port = await start({ connectionsMax: 2 });
  const first = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  await Promise.all(first.map((socket) => once(socket, 'connect')));
  expect(await talk(port, 'GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n')).toBe('');
  for (const socket of first) socket.destroy();
  await Promise.all(first.map((socket) => once(socket, 'close')));
  await expect
    .poll(() => talk(port, 'GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'))
    .toContain('200 OK');
});

test('of a body that comes without a key nothing is read', async () => {
  const port = await start({});
  const head = (path: string) => `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n`;
  // The answer comes though the body never does.
  for (const path of ['/api/v1/groups', '/topics/a']) {
    const socket = connect(port, '127.0.0.1');
    socket.write(`${head(path)}\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('401 Unauthorized');
    socket.destroy();
  }
});

test('with a certificate it speaks HTTPS, and shows another one without a restart', async () => {
  const signing = { now: Date.now(), random: randomBytes };
  const ca = await makeCa(signing);
  const make = async () => {
    const { certificate, keyPem } = await makeServer(ca, ['localhost'], signing);
    return { key: keyPem, cert: certificate.toString('pem') };
  };
  let own = await make();
  const port = await start({}, new ApiCertificate({ server: () => own }, undefined));
  const serial = () =>
    new Promise<string>((resolve, reject) => {
      const about = { host: '127.0.0.1', servername: 'localhost', port, path: '/api/v1/health', agent: false };
      get({ ...about, ca: ca.certificate.toString('pem') }, (response) => {
        const { socket } = response as unknown as { socket: import('node:tls').TLSSocket };
        const { serialNumber } = socket.getPeerCertificate();
        response.resume().once('end', () => resolve(serialNumber));
      }).on('error', reject);
    });
  const first = await serial();
  expect(await server.renewCertificate()).toBe(false);
  own = await make();
  expect(await server.renewCertificate()).toBe(true);
  expect(await serial()).not.toBe(first);
  const plain = await talk(port, 'GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n');
  expect(plain).not.toContain('"ok"');
});
