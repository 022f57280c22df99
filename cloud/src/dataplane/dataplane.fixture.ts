/** A data plane on a real HTTP server, with shadows in memory; for tests. */
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyReply } from 'fastify';
import pino from 'pino';
import type { Principal } from '../access/access.ts';
import { RequestLimits } from '../access/request-limits.ts';
import { parseConfig } from '../config/load.ts';
import { mayPublish } from '../front/acl.ts';
import type { ConnectionInfo, Connections, DirectOptions, DirectOutcome, Subscription } from '../front/front.ts';
import { createRetained } from '../retained/retained.ts';
import { createShadows } from '../shadow/shadows.ts';
import { createMemoryStore } from '../store/memory.ts';
import { answerBadPath, answerUnknownOperation, type DataPlanePorts, registerDataPlane } from './dataplane.ts';
import { bySignature } from './guard.ts';

export const CREDENTIALS = {
  accessKeyId: 'WEIR0123456789ABCDEF',
  secretAccessKey: 'a secret of forty characters, or so it is',
};

function fakeAccess() {
  const principal: Principal = { id: 'wk0123456789abcdef', name: 'test', role: 'operator' };
  const credentialsOf = (id: string) =>
    id === CREDENTIALS.accessKeyId ? { secretAccessKey: CREDENTIALS.secretAccessKey, principal } : undefined;
  const own = { accessKeyId: 'WEIRFEDCBA9876543210', secretAccessKey: 'never asked for here' };
  return { principal, own, credentialsOf, used() {} };
}

/** Connections that a test makes up. */
export function fakeConnections() {
  const live = new Map<string, { info: ConnectionInfo; subscriptions: Subscription[] }>();
  const ended = new Map<string, ConnectionInfo>();
  const sent: { clientId: string; topic: string; payload: string; confirm: boolean; timeoutMs: number }[] = [];
  const fake = {
    sent,
    ended,
    /** What becomes of a message that is to be confirmed. */
    outcome: 'confirmed' as DirectOutcome,
    connect(clientId: string, subscriptions: Subscription[] = []) {
      const info: ConnectionInfo = {
        clientId,
        connected: true,
        cleanSession: true,
        keepAliveS: 30,
        connectedSince: 1_700_000_000_000,
        heardAt: 0,
        source: { address: '10.0.0.7', port: 50_000 },
        target: { address: '10.0.0.1', port: 8883 },
      };
      live.set(clientId, { info, subscriptions });
    },
    list: () => [...live.values()].map(({ info }) => info),
    get: (clientId: string) => live.get(clientId)?.info ?? ended.get(clientId),
    subscriptions: (clientId: string) => live.get(clientId)?.subscriptions,
    disconnect: (clientId: string) => live.delete(clientId),
    async sendDirect(clientId: string, topic: string, payload: Uint8Array, options: DirectOptions = {}) {
      const { confirm = false, timeoutMs = 0 } = options;
      if (!live.has(clientId)) return 'gone' as const;
      sent.push({ clientId, topic, payload: new TextDecoder().decode(payload), confirm, timeoutMs });
      return confirm ? fake.outcome : ('sent' as const);
    },
  };
  return fake satisfies Connections;
}

/** What the data plane stands on, in memory, and what came of it. */
export function dataPlanePorts(now: () => number = Date.now) {
  const logger = pino({ level: 'silent' });
  const store = createMemoryStore();
  const published: { topic: string; payload: string; qos: number }[] = [];
  const publishedAs: { device: string; topic: string; payload: string }[] = [];
  const answers: { topic: string; body: unknown }[] = [];
  const publish = async (topic: string, payload: string) => {
    answers.push({ topic, body: JSON.parse(payload) });
  };
  const connections = fakeConnections();
  const ports: DataPlanePorts = {
    shadows: createShadows({ store, publish, logger, now }),
    retained: createRetained(store, { messagesMax: 5, bytesMax: 300_000 }),
    connections,
    publish: async (topic, payload, qos) => {
      published.push({ topic, payload: new TextDecoder().decode(payload), qos });
    },
    publishAs: async (device, message, payload) => {
      const permission = mayPublish(device, message);
      if (permission.kind === 'refused') return permission.why;
      publishedAs.push({ device, topic: message.topic, payload: new TextDecoder().decode(payload) });
      return undefined;
    },
    logger,
    now,
  };
  return { ports, connections, published, publishedAs, answers };
}

export async function startDataPlane(now: () => number = Date.now, more: Pick<DataPlanePorts, 'isStrict'> = {}) {
  const app = fastify({
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: (_error, request, reply) => void answerBadPath(request.url, reply as FastifyReply),
  });
  const { ports, ...made } = dataPlanePorts(now);
  const access = fakeAccess();
  const limits = new RequestLimits(parseConfig('', 'test').api, now);
  const audit = { message: async () => {}, denied() {} };
  await registerDataPlane(app, { ...ports, ...more }, bySignature({ access, limits, audit, now }));
  app.setNotFoundHandler((request, reply) => answerUnknownOperation(request.url, reply));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return { url, host: `127.0.0.1:${port}`, ...made, access: access.principal, close: () => app.close() };
}
