import { isShadowVerb, parseBasicIngest, parseShadowTopic } from '@weir/protocols';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { MessageProperties } from '../../front/front.ts';
import { RetainedFullError } from '../../retained/retained.ts';
import type { DataPlanePorts } from '../dataplane.ts';
import { DataPlaneError } from '../error.ts';
import { bodyOf, propertiesOf, verifyTopic } from '../message.ts';
import { booleanIn, integerIn, type Query } from '../query.ts';

interface Message {
  topic: string;
  payload: Uint8Array;
  qos: 0 | 1;
  retain: boolean;
  userProperties?: string;
  properties: MessageProperties;
}

export function registerPublish(scope: FastifyInstance, ports: DataPlanePorts): void {
  // A wildcard: signers differ in whether they encode the slashes of a topic.
  scope.post('/topics/*', async (request: FastifyRequest<{ Params: { '*': string }; Querystring: Query }>) => {
    const topic = request.params['*'];
    const payload = bodyOf(request);
    verifyTopic(topic);
    const qos = integerIn(request.query, 'qos', { min: 0, max: 1, fallback: 0 }) as 0 | 1;
    const retain = booleanIn(request.query, 'retain');
    const message: Message = { topic, payload, qos, retain, ...propertiesOf(request, payload) };
    if (request.caller?.kind === 'device') await publishAs(request.caller.device, message, ports);
    else await publish(message, ports);
    return { message: 'OK', traceId: request.id };
  });
}

/** By the rules that hold for the device's MQTT. */
async function publishAs(
  device: string,
  { topic, qos, retain, payload }: Message,
  ports: DataPlanePorts,
): Promise<void> {
  const refused = await ports.publishAs(device, { topic, qos, retain }, payload);
  if (refused !== undefined) throw new DataPlaneError(403, refused);
}

async function publish(message: Message, ports: DataPlanePorts): Promise<void> {
  const { shadows, retained, publish: hand, now, isStrict } = ports;
  const { topic, payload, qos, retain, properties } = message;
  const shadow = parseShadowTopic(topic);
  const isOpen = (shadow !== undefined && isShadowVerb(shadow.suffix)) || parseBasicIngest(topic) !== undefined;
  if (isStrict && topic.startsWith('$') && !isOpen) throw new DataPlaneError(403, 'the topic is reserved');
  if (retain) {
    // @see AWS IoT developer guide, reserved topics
    if (topic.startsWith('$')) throw new DataPlaneError(400, 'on a reserved topic no message is retained');
    const { userProperties } = message;
    await keep(() => retained.keep({ topic, payload, qos, lastModifiedTime: now(), userProperties }));
  }
  if (shadow !== undefined && isShadowVerb(shadow.suffix)) {
    await shadows.request(shadow.device, shadow.name, shadow.suffix, payload);
  } else await hand(topic, payload, qos, properties);
}

async function keep(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof RetainedFullError) throw new DataPlaneError(429, error.message);
    throw error;
  }
}
