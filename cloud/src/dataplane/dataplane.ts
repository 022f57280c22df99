/**
 * The AWS IoT Data Plane HTTP API, as far as the hub speaks it:
 *
 *     POST /topics/{topic}?qos=0|1          Publish
 *     GET  /things/{thing}/shadow?name=     GetThingShadow
 *     POST /things/{thing}/shadow?name=     UpdateThingShadow
 *
 * Every request is signed (Signature Version 4) with an API key; which role each needs is in `../api/route-roles.ts`.
 * Errors are `{ message }` with the header `x-amzn-errortype`.
 * @see AWS IoT API reference, IoT data plane
 */
import { byteLength, isDeviceId, isShadowName, isShadowVerb, parseShadowTopic } from '@weir/protocols';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../logger.ts';
import { refusalOf, type Shadows } from '../shadow/shadows.ts';
import { DataPlaneError, ERRORS } from './error.ts';
import { type DataPlaneGuardPorts, guardDataPlane } from './guard.ts';

export interface DataPlanePorts extends DataPlaneGuardPorts {
  shadows: Shadows;
  /** To the devices that subscribed. */
  publish(topic: string, payload: Uint8Array, qos: 0 | 1): Promise<void>;
  logger: Logger;
}

/** @see AWS IoT message broker quotas */
const PAYLOAD_BYTES_MAX = 131_072;
const TOPIC_BYTES_MAX = 256;
const TOPIC_SLASHES_MAX = 7;

/** Registers the routes at the root of `app`, with a body parser and errors of their own. */
export async function registerDataPlane(app: FastifyInstance, ports: DataPlanePorts): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: PAYLOAD_BYTES_MAX }, (_request, body, done) => {
      done(null, body);
    });
    scope.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, ports));
    guardDataPlane(scope, ports, signedPartsOf);
    registerRoutes(scope, ports);
  });
}

function registerRoutes(scope: FastifyInstance, { shadows, publish }: DataPlanePorts): void {
  // A wildcard: signers differ in whether they encode the slashes of a topic.
  scope.post('/topics/*', async (request: FastifyRequest<{ Params: { '*': string }; Querystring: PublishQuery }>) => {
    const topic = request.params['*'];
    const { qos = '0', retain = 'false' } = request.query;
    verifyTopic(topic);
    if (qos !== '0' && qos !== '1') throw new DataPlaneError(400, `qos must be 0 or 1, found ${qos}`);
    if (retain === 'true') throw new DataPlaneError(400, 'retained messages are not kept here; use a shadow');
    const shadow = parseShadowTopic(topic);
    if (shadow !== undefined && isShadowVerb(shadow.suffix)) {
      await shadows.request(shadow.device, shadow.name, shadow.suffix, bodyOf(request));
    } else await publish(topic, bodyOf(request), qos === '1' ? 1 : 0);
    return { message: 'OK', traceId: request.id };
  });
  scope.get('/things/:thing/shadow', async (request: FastifyRequest<ShadowRoute>) => {
    const { thing, name } = thingOf(request);
    return shadows.get(thing, name).catch(translate);
  });
  scope.post('/things/:thing/shadow', async (request: FastifyRequest<ShadowRoute>) => {
    const { thing, name } = thingOf(request);
    return shadows.update(thing, name, bodyOf(request)).catch(translate);
  });
}

interface PublishQuery {
  qos?: string;
  retain?: string;
}

interface ShadowRoute {
  Params: { thing: string };
  Querystring: { name?: string };
}

function thingOf({ params, query }: FastifyRequest<ShadowRoute>): { thing: string; name: string | undefined } {
  if (!isDeviceId(params.thing)) throw new DataPlaneError(400, 'Invalid thing name');
  if (query.name !== undefined && !isShadowName(query.name)) throw new DataPlaneError(400, 'Invalid shadow name');
  return { thing: params.thing, name: query.name };
}

function verifyTopic(topic: string): void {
  if (topic === '' || /[#+\0]/.test(topic)) throw new DataPlaneError(400, 'a topic without wildcards is wanted');
  if (byteLength(topic) > TOPIC_BYTES_MAX) throw new DataPlaneError(400, `the topic is over ${TOPIC_BYTES_MAX} bytes`);
  if (topic.split('/').length - 1 > TOPIC_SLASHES_MAX) {
    throw new DataPlaneError(400, `the topic has more than ${TOPIC_SLASHES_MAX} slashes`);
  }
}

function translate(error: unknown): never {
  const { code, message } = refusalOf(error);
  if (code === 500) throw error;
  throw new DataPlaneError(code, message);
}

function bodyOf(request: FastifyRequest): Uint8Array {
  return request.body instanceof Uint8Array ? request.body : new Uint8Array();
}

function signedPartsOf(request: FastifyRequest) {
  return { method: request.method, url: request.url, headers: request.headers, body: bodyOf(request) };
}

/** Whether an unknown route is one that a client of AWS may ask for. */
export function isDataPlanePath(url: string): boolean {
  return /^\/(?:things|topics|retainedMessage|connections)(?:[/?]|$)/.test(url);
}

export function answerUnknownOperation(reply: FastifyReply): FastifyReply {
  return reply.code(404).header('x-amzn-errortype', ERRORS[404]!).send({ message: 'Unknown operation' });
}

function answerError(error: FastifyError, reply: FastifyReply, { logger }: DataPlanePorts): FastifyReply {
  const known = error.statusCode !== undefined && ERRORS[error.statusCode] !== undefined;
  const status = known ? error.statusCode! : 500;
  if (status === 500) logger.error({ error: error.message, stack: error.stack }, 'a data plane request failed');
  const message = status === 500 ? 'Internal service failure' : error.message;
  return reply.code(status).header('x-amzn-errortype', ERRORS[status]!).send({ message });
}
