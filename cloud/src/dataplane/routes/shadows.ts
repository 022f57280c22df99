import { isDeviceId, isShadowName } from '@weir/protocols';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { refusalOf } from '../../shadow/shadows.ts';
import { requireThing } from '../caller.ts';
import type { DataPlanePorts } from '../dataplane.ts';
import { DataPlaneError } from '../error.ts';
import { bodyOf } from '../message.ts';
import { afterIn, integerIn, nextTokenOf, type Query } from '../query.ts';

/** @see AWS IoT API reference, ListNamedShadowsForThing */
const PAGE_MAX = 100;
const PAGE_DEFAULT = 25;

type ThingRequest = FastifyRequest<{ Params: { thing: string }; Querystring: Query }>;

export function registerShadows(scope: FastifyInstance, ports: DataPlanePorts): void {
  scope.get('/things/:thing/shadow', (request: ThingRequest) => {
    const { thing, name } = shadowOf(request);
    return ports.shadows.get(thing, name).catch(translate);
  });
  scope.post('/things/:thing/shadow', (request: ThingRequest) => {
    const { thing, name } = shadowOf(request);
    return ports.shadows.update(thing, name, bodyOf(request)).catch(translate);
  });
  scope.delete('/things/:thing/shadow', (request: ThingRequest) => {
    const { thing, name } = shadowOf(request);
    return ports.shadows.delete(thing, name).catch(translate);
  });
  scope.get('/api/things/shadow/ListNamedShadowsForThing/:thing', async (request: ThingRequest) => {
    const thing = thingOf(request);
    const limit = integerIn(request.query, 'pageSize', { min: 1, max: PAGE_MAX, fallback: PAGE_DEFAULT });
    const { names, next } = await ports.shadows.list(thing, { limit, ...afterIn(request.query) });
    return { results: names, ...nextTokenOf(next), timestamp: Math.floor(ports.now() / 1000) };
  });
}

function shadowOf(request: ThingRequest): { thing: string; name: string | undefined } {
  const thing = thingOf(request);
  const { name } = request.query;
  if (name !== undefined && !isShadowName(name)) throw new DataPlaneError(400, 'Invalid shadow name');
  return { thing, name };
}

function thingOf({ params: { thing }, caller }: ThingRequest): string {
  if (!isDeviceId(thing)) throw new DataPlaneError(400, 'Invalid thing name');
  requireThing(caller, thing);
  return thing;
}

function translate(error: unknown): never {
  const { code, message } = refusalOf(error);
  if (code === 500) throw error;
  throw new DataPlaneError(code, message);
}
