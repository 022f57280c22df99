/**
 * What devices ask for by HTTPS. @see protocols/src/join.ts
 *
 *     POST /v1/join              no client certificate; limited in rate
 *     POST /v1/renew             certificate of a registered device, be it expired; limited in rate
 *     GET  /v1/bundles/:hash     certificate of a registered device; and what is signed: see `signed.ts`
 *     GET  /v1/secrets           the same
 *     the IoT Data Plane         the same; a device does to itself what it may do by MQTT. @see ../dataplane/dataplane.ts
 *
 * Errors are `{ error: { code, message, remedy } }`.
 */
import type { TLSSocket } from 'node:tls';
import {
  HASH_PATTERN,
  type JoinAnswer,
  joinRequestSchema,
  type RenewAnswer,
  renewRequestSchema,
} from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Caller } from '../dataplane/caller.ts';
import {
  type Authentication,
  answerBadPath,
  answerUnknownOperation,
  type DataPlanePorts,
  isDataPlanePath,
  registerDataPlane,
} from '../dataplane/dataplane.ts';
import { DataPlaneError } from '../dataplane/error.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { isInForce } from '../fleet/forgotten.ts';
import type { Identity } from '../identity/identity.ts';
import { expiredPeerOf, type Peer, peerOf } from '../identity/peer.ts';
import { explain, type ListenOptions } from '../listen.ts';
import type { Logger } from '../logger.ts';
import type { Secrets } from '../secrets/secrets.ts';
import type { Store } from '../store/store.ts';
import { currentRoot } from '../trust/roots.ts';
import type { Statements } from '../trust/statements.ts';

import { KnownSockets } from './known-sockets.ts';

import { type RateLimit, RateLimiter } from './rate-limit.ts';
import { registerSecrets } from './secrets.ts';
import { registerSigned } from './signed.ts';

export interface DeviceApiPorts {
  identity: Identity;
  fleet: Pick<Fleet, 'device' | 'enrol' | 'renew' | 'certificateUsed' | 'takeForgotten' | 'bundle'>;
  store: Store;
  statements: Pick<Statements, 'make'>;
  dataPlane: DataPlanePorts;
  secrets: Pick<Secrets, 'answer'>;
  logger: Logger;
  now: () => number;
}

export interface DeviceApiOptions extends ListenOptions {
  /** Where devices send telemetry; `host` undefined: the host under which they reached this API. */
  mqtt: () => { host?: string; port: number };
  /** Of one address. */
  joinRate?: RateLimit;
  /** Of all together. */
  joinRateOfAll?: RateLimit;
  /** How long after its end a certificate still gets another, ms. */
  renewAfterExpiry?: number;
}

export interface DeviceApi {
  /** @returns the port. @throws {UsageError} `port-taken` */
  start(): Promise<number>;
  stop(): Promise<void>;
  /** Which certificates speak for a device has changed: connections with another one end. */
  recheck(device: string): Promise<void>;
  renewCertificate(): void;
}

/** A join costs a signature; a fleet that is rolled out joins from one address. */
const JOIN_RATE: RateLimit = { burst: 60, perMinute: 120, callersMax: 10_000 };
/** Ten sites at once, and the hub still has time for those that have joined. */
const JOIN_RATE_OF_ALL: RateLimit = { burst: 600, perMinute: 600, callersMax: 1 };
/** Once in two months is the rule; a clock that is wrong must not make it a flood. */
const RENEW_RATE: RateLimit = { burst: 5, perMinute: 1 / 10, callersMax: 10_000 };
/** A season in a store room, and another. */
const RENEW_AFTER_EXPIRY_MS = 365 * 86_400_000;
/** A certificate request of a few hundred bytes, its secret and its name. */
const JOIN_BYTES_MAX = 16_384;
const CONNECTION_TIMEOUT_MS = 30_000;
/** Names of things have 128; a topic is no parameter. */
const PARAMETER_CHARACTERS_MAX = 256;

/** Misuse by code, where it is not simply 400. */
const STATUS: Record<string, number> = {
  'token-invalid': 401,
  'token-expired': 401,
  'token-spent': 401,
  'token-revoked': 401,
  'key-revoked': 409,
  'device-exists': 409,
  'certificate-needed': 401,
  'certificate-replaced': 409,
  'bundle-unknown': 404,
  'release-unknown': 404,
  'root-missing': 404,
  'too-many-requests': 429,
  busy: 503,
};

export function createDeviceApi(ports: DeviceApiPorts, options: DeviceApiOptions): DeviceApi {
  const { identity } = ports;
  const secure = () => ({ ...identity.server(), ca: identity.ca, minVersion: 'TLSv1.2' as const });
  const app = fastify({
    // Whoever joins has no certificate yet; the other routes look at it themselves.
    https: { ...secure(), requestCert: true, rejectUnauthorized: false },
    bodyLimit: JOIN_BYTES_MAX,
    requestTimeout: CONNECTION_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS_MAX },
    frameworkErrors(error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
      if (!answerBadPath(request.url, reply)) answerError(error, reply, ports.logger);
    },
  }) as unknown as FastifyInstance;
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, ports.logger));
  app.setNotFoundHandler((request, reply) =>
    isDataPlanePath(request.url)
      ? answerUnknownOperation(request.url, reply)
      : answer(reply, 404, 'not-found', 'there is no such page', 'see docs'),
  );
  const sockets = new KnownSockets(ports.fleet, ports.now);
  registerJoin(app, ports, options);
  registerRenew(app, ports, sockets, options);
  registerBundles(app, ports, sockets);
  registerSigned(app, ports, (request) => requireKnown(request, ports, sockets));
  registerSecrets(app, ports.secrets, (request) => requireKnown(request, ports, sockets));
  return {
    async start() {
      await registerDataPlane(app, ports.dataPlane, byCertificate(ports, sockets));
      try {
        await app.listen({ host: options.host, port: options.port });
      } catch (error) {
        throw explain(error as NodeJS.ErrnoException, options);
      }
      return (app.server.address() as { port: number }).port;
    },
    stop: () => app.close(),
    recheck: (device) => sockets.recheck(device),
    renewCertificate: () => (app.server as unknown as import('node:tls').Server).setSecureContext(secure()),
  };
}

function registerJoin(app: FastifyInstance, ports: DeviceApiPorts, options: DeviceApiOptions): void {
  const limiter = new RateLimiter(options.joinRate ?? JOIN_RATE);
  const ofAll = new RateLimiter(options.joinRateOfAll ?? JOIN_RATE_OF_ALL);
  app.post('/v1/join', async (request, reply): Promise<JoinAnswer> => {
    const { identity, fleet, logger, now } = ports;
    requireRate(limiter.take(request.ip, now()), reply, 'too many joins from this address');
    requireRate(ofAll.take('all', now()), reply, 'too many devices join at once');
    const { secret, csr, device } = parseJoin(request.body);
    const { certificate, serial, ...issued } = await identity.signDevice(csr, device, now());
    await fleet.enrol({ secret, device, certificateSerial: serial, ...issued, now: now() });
    logger.info({ device, serial }, 'a device joined');
    const { host = hostOf(request), port } = options.mqtt();
    const root = await currentRoot(ports.store);
    const answer = { device, certificate, ca: identity.ca, mqtt: { host, port } };
    return root === undefined ? answer : { ...answer, root: root.envelope };
  });
}

function registerRenew(
  app: FastifyInstance,
  ports: DeviceApiPorts,
  sockets: KnownSockets,
  options: DeviceApiOptions,
): void {
  const { identity, fleet, logger, now } = ports;
  const limiter = new RateLimiter(RENEW_RATE);
  const graceMs = options.renewAfterExpiry ?? RENEW_AFTER_EXPIRY_MS;
  app.post('/v1/renew', async (request, reply): Promise<RenewAnswer> => {
    const socket = request.raw.socket as TLSSocket;
    const peer = await requireInForce(peerOf(socket) ?? expiredPeerOf(socket, identity.ca, now() - graceMs), ports);
    sockets.note(socket, peer);
    const { device, serial: shown } = peer;
    requireRate(limiter.take(device, now()), reply, 'the device has renewed its certificate often');
    const parsed = renewRequestSchema.safeParse(request.body);
    if (!parsed.success) throw new UsageError('renew-invalid', parsed.error.issues[0]!.message, 'send { "csr" }');
    const { certificate, serial, ...issued } = await identity.signDevice(parsed.data.csr, device, now());
    await fleet.renew({ device, shown, certificateSerial: serial, ...issued, now: now() });
    logger.info({ device, serial }, 'a device got a new certificate');
    return { certificate };
  });
}

function byCertificate(ports: DeviceApiPorts, sockets: KnownSockets): Authentication {
  const identify = async (request: FastifyRequest): Promise<Caller> => {
    try {
      const { device } = await requireKnown(request, ports, sockets);
      return { kind: 'device', device };
    } catch (error) {
      if (error instanceof UsageError) throw new DataPlaneError(401, error.message);
      throw error;
    }
  };
  // Before the body is read, and after: it may have been revoked meanwhile.
  return { begin: async (request) => void (await identify(request)), identify };
}

/** The device that asks; its connection ends when its certificate does. @throws {UsageError} `certificate-needed` */
async function requireKnown(request: FastifyRequest, ports: DeviceApiPorts, sockets: KnownSockets): Promise<Peer> {
  const socket = request.raw.socket as TLSSocket;
  const peer = await requireInForce(peerOf(socket), ports);
  sockets.note(socket, peer);
  return peer;
}

/** @throws {UsageError} `too-many-requests` */
function requireRate(waitMs: number, reply: FastifyReply, why: string): void {
  if (waitMs === 0) return;
  reply.header('retry-after', Math.ceil(waitMs / 1000));
  throw new UsageError('too-many-requests', why, 'wait a little and try again');
}

/** @throws {UsageError} `certificate-needed` */
async function requireInForce(peer: Peer | undefined, { fleet, now }: DeviceApiPorts): Promise<Peer> {
  if (peer === undefined || !(await isInForce(fleet, peer, now))) {
    throw new UsageError(
      'certificate-needed',
      'this is for devices with a certificate that is in force',
      'join the device again if it was revoked or removed: weir-agent join … --force',
    );
  }
  return peer;
}

function registerBundles(app: FastifyInstance, ports: DeviceApiPorts, sockets: KnownSockets): void {
  const { fleet } = ports;
  app.get('/v1/bundles/:hash', async (request: FastifyRequest<{ Params: { hash: string } }>, reply) => {
    await requireKnown(request, ports, sockets);
    const { hash } = request.params;
    const bytes = HASH_PATTERN.test(hash) ? await fleet.bundle(hash) : undefined;
    if (bytes === undefined) {
      throw new UsageError('bundle-unknown', 'there is no bundle with this hash', 'deploy the function or rule again');
    }
    return reply.type('application/octet-stream').send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  });
}

function parseJoin(body: unknown) {
  const parsed = joinRequestSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new UsageError('join-invalid', `${path.join('.') || 'the request'}: ${message}`, 'use weir-agent join');
}

function hostOf(request: FastifyRequest): string {
  return request.hostname.replace(/^\[(.*)\]$/, '$1');
}

function answerError(error: FastifyError, reply: FastifyReply, logger: Logger): FastifyReply {
  if (error instanceof UsageError) {
    return answer(reply, STATUS[error.code] ?? 400, error.code, error.message, error.remedy);
  }
  const status = error.statusCode ?? 500;
  if (status < 500) return answer(reply, status, 'request-invalid', error.message, 'use weir-agent join');
  logger.error({ error: error.message, stack: error.stack }, 'a request of a device failed');
  return answer(reply, 500, 'internal', 'the hub could not do it', 'try again; the log of the hub says more');
}

function answer(reply: FastifyReply, status: number, code: string, message: string, remedy = ''): FastifyReply {
  return reply.code(status).send({ error: { code, message, remedy } });
}
