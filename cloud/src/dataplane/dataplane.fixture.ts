/** A data plane on a real HTTP server, with shadows in memory; for tests. */
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import pino from 'pino';
import type { Principal } from '../access/access.ts';
import { RequestLimits } from '../access/request-limits.ts';
import { parseConfig } from '../config/load.ts';
import { createShadows } from '../shadow/shadows.ts';
import { createMemoryStore } from '../store/memory.ts';
import { registerDataPlane } from './dataplane.ts';

export const CREDENTIALS = {
  accessKeyId: 'WEIR0123456789ABCDEF',
  secretAccessKey: 'a secret of forty characters, or so it is',
};

const principal: Principal = { id: 'wk0123456789abcdef', name: 'test', role: 'operator' };
const access = {
  own: { accessKeyId: 'WEIRFEDCBA9876543210', secretAccessKey: 'never asked for here' },
  credentialsOf: (id: string) =>
    id === CREDENTIALS.accessKeyId ? { secretAccessKey: CREDENTIALS.secretAccessKey, principal } : undefined,
  used() {},
};

export async function startDataPlane(now: () => number = Date.now) {
  const app = fastify();
  const logger = pino({ level: 'silent' });
  const published: { topic: string; payload: string; qos: number }[] = [];
  const answers: { topic: string; body: unknown }[] = [];
  const shadows = createShadows({
    store: createMemoryStore(),
    publish: async (topic, payload) => {
      answers.push({ topic, body: JSON.parse(payload) });
    },
    logger,
    now,
  });
  await registerDataPlane(app, {
    access,
    limits: new RequestLimits(parseConfig('', 'test').api, now),
    audit: { message: async () => {}, denied() {} },
    shadows,
    publish: async (topic, payload, qos) => {
      published.push({ topic, payload: new TextDecoder().decode(payload), qos });
    },
    logger,
    now,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, published, answers, close: () => app.close() };
}
