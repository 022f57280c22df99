import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ConnectionInfo } from '../../front/front.ts';
import { requireOperator } from '../caller.ts';
import type { DataPlanePorts } from '../dataplane.ts';
import { DataPlaneError } from '../error.ts';
import { bodyOf, propertiesOf, verifyTopic } from '../message.ts';
import { afterIn, booleanIn, integerIn, nextTokenOf, type Query } from '../query.ts';

type ClientRequest = FastifyRequest<{ Params: { client: string }; Querystring: Query }>;

/** @see AWS IoT API reference, ListSubscriptions */
const PAGE = { min: 1, max: 200, fallback: 20 };
/** Seconds. @see AWS IoT API reference, SendDirectMessage */
const TIMEOUT = { min: 1, max: 15, fallback: 5 };
/** @see AWS IoT message broker quotas */
const CLIENT_ID_CHARACTERS_MAX = 128;

export function registerConnections(scope: FastifyInstance, ports: DataPlanePorts): void {
  scope.get('/connections/:client', async (request: ClientRequest) => {
    const client = clientOf(request);
    const withSockets = booleanIn(request.query, 'includeSocketInformation');
    const found = ports.connections.get(client);
    if (found === undefined) throw unknown(client);
    return describe(found, withSockets);
  });
  scope.delete('/connections/:client', async (request: ClientRequest, reply) => {
    const client = clientOf(request);
    // Sessions end with their connections here, and there are no wills: both are as asked for, whatever is asked.
    for (const name of ['cleanSession', 'preventWillMessage']) booleanIn(request.query, name);
    if (!ports.connections.disconnect(client)) throw unknown(client);
    return reply.code(200).send();
  });
  scope.get('/connections/:client/subscriptions', async (request: ClientRequest) => {
    const client = clientOf(request);
    const limit = integerIn(request.query, 'maxResults', PAGE);
    const { after } = afterIn(request.query);
    const all = ports.connections.subscriptions(client);
    if (all === undefined) throw unknown(client);
    const rest = after === undefined ? all : all.filter(({ topicFilter }) => topicFilter > after);
    const page = rest.slice(0, limit);
    const next = rest.length > limit ? page.at(-1)!.topicFilter : undefined;
    return { subscriptions: page, ...nextTokenOf(next) };
  });
  scope.post('/connections/:client/messages', (request: ClientRequest) => sendDirect(request, ports));
}

async function sendDirect(request: ClientRequest, { connections }: DataPlanePorts) {
  const client = clientOf(request);
  const { query } = request;
  if (query.topic === undefined) throw new DataPlaneError(400, 'topic is missing');
  verifyTopic(query.topic);
  const payload = bodyOf(request);
  const { properties } = propertiesOf(request, payload);
  const confirm = booleanIn(query, 'confirmation');
  const timeoutMs = integerIn(query, 'timeout', TIMEOUT) * 1000;
  const outcome = await connections.sendDirect(client, query.topic, payload, { confirm, timeoutMs, properties });
  if (outcome === 'gone') throw unknown(client);
  if (outcome === 'timed-out') throw new DataPlaneError(504, `${client} did not acknowledge the message in time`);
  return { message: 'OK', traceId: request.id };
}

function describe(info: ConnectionInfo, withSockets: boolean) {
  const { clientId, connected, cleanSession, keepAliveS, source, target } = info;
  return {
    clientId,
    connected,
    thingName: clientId,
    cleanSession,
    keepAliveDuration: keepAliveS,
    // No session outlives its connection.
    sessionExpiry: 0,
    ...(connected
      ? { connectedSince: info.connectedSince }
      : { disconnectedSince: info.disconnectedSince, disconnectReason: info.disconnectReason }),
    ...(withSockets && {
      ...{ sourceIp: source.address, sourcePort: source.port },
      ...{ targetIp: target.address, targetPort: target.port },
    }),
  };
}

function clientOf({ params: { client }, caller }: ClientRequest): string {
  requireOperator(caller);
  if (client !== '' && client.length <= CLIENT_ID_CHARACTERS_MAX && !client.startsWith('$')) return client;
  throw new DataPlaneError(400, 'Invalid client ID');
}

function unknown(client: string): DataPlaneError {
  return new DataPlaneError(404, `No connection exists for client ID: '${client}'`);
}
