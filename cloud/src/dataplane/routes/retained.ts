import type { FastifyInstance, FastifyRequest } from 'fastify';
import { requireOperator, requireTopic } from '../caller.ts';
import type { DataPlanePorts } from '../dataplane.ts';
import { DataPlaneError } from '../error.ts';
import { verifyTopic } from '../message.ts';
import { afterIn, integerIn, nextTokenOf, type Query } from '../query.ts';

/** @see AWS IoT API reference, ListRetainedMessages */
const PAGE_MAX = 200;

export function registerRetained(scope: FastifyInstance, ports: DataPlanePorts): void {
  scope.get('/retainedMessage/*', async (request: FastifyRequest<{ Params: { '*': string } }>) => {
    const topic = request.params['*'];
    verifyTopic(topic);
    requireTopic(request.caller, topic);
    const message = await ports.retained.get(topic);
    if (message === undefined) throw new DataPlaneError(404, 'No retained message exists for the topic');
    const { payload, qos, lastModifiedTime, userProperties } = message;
    return {
      topic,
      payload: Buffer.from(payload).toString('base64'),
      qos,
      lastModifiedTime,
      userProperties: userProperties === undefined ? null : Buffer.from(userProperties).toString('base64'),
    };
  });
  scope.get('/retainedMessage', async (request: FastifyRequest<{ Querystring: Query }>) => {
    requireOperator(request.caller);
    const limit = integerIn(request.query, 'maxResults', { min: 1, max: PAGE_MAX, fallback: PAGE_MAX });
    const { summaries, next } = await ports.retained.list({ limit, ...afterIn(request.query) });
    return { retainedTopics: summaries, ...nextTokenOf(next) };
  });
}
