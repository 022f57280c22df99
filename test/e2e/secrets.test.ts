import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const FIRST = 'first-secret-4711-value';
const SECOND = 'second-secret-0815-value';
const system = new System();

/** By who asked, what it was sent; it says all of it back. */
const seen = new Map<string, string>();
const service = createServer((request, response) => {
  const { authorization = '', 'x-from': from = '' } = request.headers;
  seen.set(String(from), authorization);
  response.writeHead(200, { 'content-type': 'text/plain' }).end(`you said ${authorization} for ${request.url}`);
});

const functionFile = (name: string, url: string) =>
  system.file(
    `${name}.ts`,
    `export default {
      name: '${name}', version: '1', inputs: [{ sensor: 'oven1', metric: 'temperature' }],
      requests: ['${url}/v1/*'], secrets: { token: ['${url}/v1/*'] },
      reading(_, ctx) {
        const headers = { authorization: 'Bearer \${secret:token}', 'x-from': '${name}', 'x-also': { $secret: 'token' } };
        ctx.request({ name: 'ask', url: '${url}/v1/ask?key=\${secret:token}', headers, retries: 0 });
      },
      response({ status, body, error }, ctx) {
        ctx.log.warn((status ?? '') + ' ' + (body ?? error));
        ctx.emit({ sensor: '${name}', metric: 'said', value: (body ?? error).slice(0, 200) });
        if (status === undefined) throw new Error('kept as a dead letter: ' + error);
      },
    };`,
  );

beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const config = system.file('allow.yaml', `functions: { requests: { allow: ["${url}/v1/*"] } }\n`);
  [system.hubConfig, system.agentConfig] = [config, config];
  await system.startAll();
  await system.weir('fn', 'deploy', functionFile('edge', url), '--group', 'plant');
  await system.weir('fn', 'deploy', functionFile('cloud', url), '--group', 'plant', '--where', 'cloud');
});
afterAll(async () => {
  service.close();
  await system.stop();
});

const set = (value: string) =>
  system.weir('secret', 'set', 'plant', 'token', '--from-file', system.file('token.txt', `${value}\n`));
const delivered = () =>
  eventually('the device has its secrets', async () => {
    const [found] = await system.weirJson<{ state: string }[]>('secret', 'list', '--device', 'gw1');
    return found?.state === 'delivered' || undefined;
  });
const said = async (name: string) =>
  (await system.readings('gw1', { sensor: name, metric: 'said' })).map(({ value }) => String(value));

/** Both functions ask, and the service has heard this of them. */
async function bothSend(value: string): Promise<void> {
  seen.clear();
  await eventually('both have asked', async () => {
    await system.publish('plant/oven1/temperature', '80');
    return (seen.get('edge') === `Bearer ${value}` && seen.get('cloud') === `Bearer ${value}`) || undefined;
  });
}

test('a secret that is not there fails the request, with what to do', async () => {
  await system.publish('plant/oven1/temperature', '80');
  for (const name of ['edge', 'cloud']) {
    await eventually(`${name} was told`, async () => {
      const { items } = await system.api<{ items: { function: string }[] }>('/dead-letters');
      const letter = items.find((each) => each.function === name);
      return (letter && JSON.stringify(letter).includes('no secret \\"token\\" here')) || undefined;
    });
  }
  expect(seen.size).toBe(0);
});

test('a secret reaches requests at the edge and in the hub within seconds, also after a change, a kill and a renewal; nobody ever reads it', async () => {
  await set(FIRST);
  await delivered();
  await bothSend(FIRST);
  await set(SECOND);
  await delivered();
  await bothSend(SECOND);

  const { code } = await system.run('weir-agent', 'renew', '--data', system.agentData);
  expect(code).toBe(0);
  await system.kill('agent');
  await system.startAgent();
  await bothSend(SECOND);
  for (const name of ['edge', 'cloud']) {
    await eventually(
      `${name} was answered`,
      async () => (await said(name)).some((text) => text.includes('you said Bearer ${')) || undefined,
    );
  }
  const shadow = JSON.stringify(await system.api('/devices/gw1'));
  const letters = JSON.stringify(await system.api('/dead-letters'));
  const status = JSON.stringify(await system.agentStatus());
  const audit = JSON.stringify(await system.weirJson('audit'));
  const logs = await system.weir('device', 'logs', 'gw1').catch((error: Error) => error.message);
  expect(letters).toContain('no secret');
  for (const value of [FIRST, SECOND]) {
    for (const text of [shadow, letters, status, audit, logs, system.output]) expect(text).not.toContain(value);
    for (const { path, text } of system.dataFiles()) expect(text.includes(value), path).toBe(false);
  }
});
