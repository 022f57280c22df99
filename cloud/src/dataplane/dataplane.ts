/**
 * The AWS IoT Data Plane HTTP API:
 *
 *     POST   /topics/{topic}?qos=&retain=                          Publish
 *     GET    /things/{thing}/shadow?name=                          GetThingShadow; POST: Update-, DELETE: DeleteThingShadow
 *     GET    /api/things/shadow/ListNamedShadowsForThing/{thing}   ListNamedShadowsForThing
 *     GET    /retainedMessage[/{topic}]                            ListRetainedMessages, GetRetainedMessage
 *     GET    /connections/{client}?includeSocketInformation=       GetConnection; DELETE: DeleteConnection
 *     GET    /connections/{client}/subscriptions                   ListSubscriptions
 *     POST   /connections/{client}/messages?topic=&confirmation=   SendDirectMessage
 *
 * It is served twice: to API keys, which sign their requests, and to devices with their certificates. Errors are
 * `{ message }` with the header `x-amzn-errortype`.
 *
 * @see AWS IoT API reference, IoT data plane
 */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DevicePublish } from '../front/device-publish.ts';
import type { Connections, MessageProperties } from '../front/front.ts';
import type { Logger } from '../logger.ts';
import type { Retained } from '../retained/retained.ts';
import type { Shadows } from '../shadow/shadows.ts';
import type { Caller } from './caller.ts';
import { errorTypeOf } from './error.ts';
import { PAYLOAD_BYTES_MAX } from './message.ts';
import { registerConnections } from './routes/connections.ts';
import { registerPublish } from './routes/publish.ts';
import { registerRetained } from './routes/retained.ts';
import { registerShadows } from './routes/shadows.ts';

export interface DataPlanePorts {
  shadows: Shadows;
  retained: Retained;
  connections: Connections;
  /** To the devices that subscribed. */
  publish(topic: string, payload: Uint8Array, qos: 0 | 1, properties?: MessageProperties): Promise<void>;
  /** What a device sends, as it would by MQTT. */
  publishAs: DevicePublish;
  /** Reserved topics are refused as AWS does. */
  isStrict?: boolean;
  logger: Logger;
  now: () => number;
}

/** How it becomes known who asks. Both @throws {DataPlaneError} 401 or 403 */
export interface Authentication {
  /** Before the body is read. */
  begin(request: FastifyRequest): Promise<void>;
  /** Once it is. */
  identify(request: FastifyRequest): Promise<Caller>;
}

/** Registers the routes at the root of `app`, with a body parser and errors of their own. */
export async function registerDataPlane(
  app: FastifyInstance,
  ports: DataPlanePorts,
  authentication: Authentication,
): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: PAYLOAD_BYTES_MAX }, (_request, body, done) => {
      done(null, body);
    });
    scope.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, ports));
    scope.addHook('onRequest', (request) => authentication.begin(request));
    // After the body is read: its hash may be part of what is signed.
    scope.addHook('preHandler', async (request) => {
      request.caller = await authentication.identify(request);
    });
    registerPublish(scope, ports);
    registerShadows(scope, ports);
    registerRetained(scope, ports);
    registerConnections(scope, ports);
  });
}

const PATHS = [
  /^\/topics\/./,
  /^\/things\/[^/]+\/shadow$/,
  /^\/api\/things\/shadow\/ListNamedShadowsForThing\/[^/]+$/,
  /^\/retainedMessage(?:\/.+)?$/,
  /^\/connections\/[^/]+(?:\/(?:subscriptions|messages))?$/,
];

/** Whether an unknown route is one that a client of AWS may ask for. */
export function isDataPlanePath(url: string): boolean {
  return /^\/(?:things|topics|retainedMessage|connections|api\/things)(?:[/?]|$)/.test(url);
}

/** For a route that is not there: the operation is unknown, or the method is another one. */
export function answerUnknownOperation(url: string, reply: FastifyReply): FastifyReply {
  const path = url.split('?', 1)[0]!;
  const [status, message] = PATHS.some((known) => known.test(path))
    ? [405, 'Method not allowed']
    : [404, 'Unknown operation'];
  return answer(reply, status as number, message as string);
}

/** For `fastify({ frameworkErrors })`: a path that cannot be decoded reaches no route. @returns whether it was answered */
export function answerBadPath(url: string, reply: FastifyReply): boolean {
  if (!isDataPlanePath(url)) return false;
  answer(reply, 400, 'Invalid path');
  return true;
}

function answerError(error: FastifyError, reply: FastifyReply, { logger }: DataPlanePorts): FastifyReply {
  const status = errorTypeOf(error.statusCode) === undefined ? 500 : error.statusCode!;
  if (status === 500) logger.error({ error: error.message, stack: error.stack }, 'a data plane request failed');
  return answer(reply, status, messageOf(error, status));
}

function messageOf({ code, message }: FastifyError, status: number): string {
  if (status === 500) return 'Internal service failure';
  return code === 'FST_ERR_CTP_BODY_TOO_LARGE' ? 'The payload exceeds the maximum size allowed' : message;
}

function answer(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).header('x-amzn-errortype', errorTypeOf(status)!).send({ message });
}
