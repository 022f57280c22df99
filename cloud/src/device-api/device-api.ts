/**
 * What devices ask for by HTTPS. @see protocols/src/join.ts
 *
 *     POST /v1/join              no client certificate; limited in rate
 *     GET  /v1/bundles/:hash     certificate of a registered device
 *
 * Errors are `{ error: { code, message, remedy } }`.
 */
import type { TLSSocket } from 'node:tls';
import { HASH_PATTERN, type JoinAnswer, joinRequestSchema } from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Fleet } from '../fleet/fleet.ts';
import type { Identity } from '../identity/identity.ts';
import { peerOf } from '../identity/peer.ts';
import { explain, type ListenOptions } from '../listen.ts';
import type { Logger } from '../logger.ts';
import { type RateLimit, RateLimiter } from './rate-limit.ts';

export interface DeviceApiPorts {
  identity: Identity;
  fleet: Pick<Fleet, 'device' | 'enrol' | 'bundle'>;
  logger: Logger;
  now: () => number;
}

export interface DeviceApiOptions extends ListenOptions {
  /** Where devices send telemetry; `host` undefined: the host under which they reached this API. */
  mqtt: () => { host?: string; port: number };
  joinRate?: RateLimit;
}

export interface DeviceApi {
  /** @returns the port. @throws {UsageError} `port-taken` */
  start(): Promise<number>;
  stop(): Promise<void>;
  renewCertificate(): void;
}

/** A join costs a signature; a fleet that is rolled out joins from one address. */
const JOIN_RATE: RateLimit = { burst: 60, perMinute: 120, callersMax: 10_000 };
/** A certificate request of a few hundred bytes, its secret and its name. */
const JOIN_BYTES_MAX = 16_384;
const CONNECTION_TIMEOUT_MS = 30_000;

/** Misuse by code, where it is not simply 400. */
const STATUS: Record<string, number> = {
  'token-invalid': 401,
  'token-expired': 401,
  'token-spent': 401,
  'device-exists': 409,
  'certificate-needed': 401,
  'bundle-unknown': 404,
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
  }) as unknown as FastifyInstance;
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, ports.logger));
  app.setNotFoundHandler((_request, reply) => answer(reply, 404, 'not-found', 'there is no such page', 'see docs'));
  registerJoin(app, ports, options);
  registerBundles(app, ports);
  return {
    async start() {
      try {
        await app.listen({ host: options.host, port: options.port });
      } catch (error) {
        throw explain(error as NodeJS.ErrnoException, options);
      }
      return (app.server.address() as { port: number }).port;
    },
    stop: () => app.close(),
    renewCertificate: () => (app.server as unknown as import('node:tls').Server).setSecureContext(secure()),
  };
}

function registerJoin(app: FastifyInstance, ports: DeviceApiPorts, options: DeviceApiOptions): void {
  const limiter = new RateLimiter(options.joinRate ?? JOIN_RATE);
  app.post('/v1/join', async (request, reply): Promise<JoinAnswer> => {
    const { identity, fleet, logger, now } = ports;
    const waitMs = limiter.take(request.ip, now());
    if (waitMs > 0) {
      reply.header('retry-after', Math.ceil(waitMs / 1000));
      throw new UsageError('too-many-requests', 'too many joins from this address', 'wait a little and try again');
    }
    const { secret, csr, device } = parseJoin(request.body);
    const { certificate, serial } = await identity.signDevice(csr, device, now());
    await fleet.enrol({ secret, device, certificateSerial: serial, now: now() });
    logger.info({ device, serial }, 'a device joined');
    const { host = hostOf(request), port } = options.mqtt();
    return { device, certificate, ca: identity.ca, mqtt: { host, port } };
  });
}

function registerBundles(app: FastifyInstance, { fleet }: DeviceApiPorts): void {
  app.get('/v1/bundles/:hash', async (request: FastifyRequest<{ Params: { hash: string } }>, reply) => {
    const peer = peerOf(request.raw.socket as TLSSocket);
    const record = peer === undefined ? undefined : await fleet.device(peer.device);
    if (peer === undefined || record?.certificateSerial !== peer.serial) {
      throw new UsageError(
        'certificate-needed',
        'bundles are for devices with a certificate that is in force',
        'join the device, again if it was removed: weir-agent join',
      );
    }
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
