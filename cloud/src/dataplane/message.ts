/**
 * A message as a client of the data plane hands it in: topic, payload, and what MQTT 5 has beside them. To devices that
 * speak MQTT 3.1.1 the properties are dropped without a word, as AWS does. They are checked all the same.
 */
import { isUtf8 } from 'node:buffer';
import { byteLength } from '@weir/protocols';
import type { FastifyRequest } from 'fastify';
import type { MessageProperties } from '../front/front.ts';
import { userPropertiesIn } from '../front/user-properties.ts';
import { DataPlaneError } from './error.ts';
import { integerIn, type Query } from './query.ts';

/** @see AWS IoT message broker quotas */
export const PAYLOAD_BYTES_MAX = 131_072;
const TOPIC_BYTES_MAX = 256;
const TOPIC_SLASHES_MAX = 7;
/** `$aws/rules/<rule>/`, which does not count. */
const INGEST_PREFIX = /^\$aws\/rules\/[^/]+\//;
/** @see AWS IoT message broker quotas: user properties and what else an MQTT 5 header holds */
const PROPERTIES_BYTES_MAX = 8_192;
const MESSAGE_EXPIRY_S_MAX = 604_800;

/** @throws {DataPlaneError} 400 */
export function verifyTopic(topic: string): void {
  if (topic === '' || /[#+\0]/.test(topic)) throw new DataPlaneError(400, 'a topic without wildcards is wanted');
  const counted = topic.replace(INGEST_PREFIX, '');
  if (byteLength(counted) > TOPIC_BYTES_MAX) {
    throw new DataPlaneError(400, `the topic is over ${TOPIC_BYTES_MAX} bytes`);
  }
  if (counted.split('/').length - 1 > TOPIC_SLASHES_MAX) {
    throw new DataPlaneError(400, `the topic has more than ${TOPIC_SLASHES_MAX} slashes`);
  }
}

/** @throws {DataPlaneError} 400 when one of the properties is not as it should be */
export function propertiesOf(
  request: FastifyRequest,
  payload: Uint8Array,
): { userProperties?: string; properties: MessageProperties } {
  const query = request.query as Query;
  const { contentType, responseTopic } = query;
  if (query.responseTopic !== undefined) verifyTopic(query.responseTopic);
  if (byteLength(query.contentType ?? '') > PROPERTIES_BYTES_MAX)
    throw new DataPlaneError(400, 'contentType is too long');
  const messageExpiryInterval = integerIn(query, 'messageExpiry', { min: 0, max: MESSAGE_EXPIRY_S_MAX, fallback: 0 });
  const format = headerOf(request, 'payload-format-indicator');
  verifyFormat(format, payload);
  const correlation = headerOf(request, 'correlation-data');
  const named = headerOf(request, 'user-properties');
  const userProperties = named && verifiedProperties(decoded(named, 'userProperties'));
  const properties: MessageProperties = {
    ...(contentType && { contentType }),
    ...(responseTopic && { responseTopic }),
    ...(correlation && { correlationData: decoded(correlation, 'correlationData') }),
    ...(userProperties && { userProperties: userPropertiesIn(userProperties) }),
    ...(format === 'UTF8_DATA' && { payloadFormatIndicator: true }),
    ...(messageExpiryInterval > 0 && { messageExpiryInterval }),
  };
  return { properties, ...(userProperties && { userProperties }) };
}

function verifyFormat(indicator: string | undefined, payload: Uint8Array): void {
  if (indicator === undefined || indicator === 'UNSPECIFIED_BYTES') return;
  if (indicator !== 'UTF8_DATA') {
    throw new DataPlaneError(400, 'payloadFormatIndicator must be UNSPECIFIED_BYTES or UTF8_DATA');
  }
  if (!isUtf8(payload)) throw new DataPlaneError(400, 'the payload is not UTF-8, as payloadFormatIndicator says');
}

function verifiedProperties(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (isUserProperties(text)) return text;
  throw new DataPlaneError(400, 'userProperties must be a JSON array of objects with one string each');
}

function isUserProperties(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && parsed.every(isUserProperty);
  } catch {
    return false;
  }
}

function isUserProperty(each: unknown): boolean {
  if (typeof each !== 'object' || each === null || Array.isArray(each)) return false;
  const values = Object.values(each);
  return values.length === 1 && typeof values[0] === 'string';
}

function decoded(base64: string, name: string): Buffer {
  const bytes = Buffer.from(base64, 'base64');
  if (base64.length > PROPERTIES_BYTES_MAX) throw new DataPlaneError(400, `${name} is too long`);
  if (bytes.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '')) return bytes;
  throw new DataPlaneError(400, `${name} must be base64`);
}

function headerOf({ headers }: FastifyRequest, name: string): string | undefined {
  const value = headers[`x-amz-mqtt5-${name}`];
  return Array.isArray(value) ? value.join(',') : value;
}

export function bodyOf({ body }: FastifyRequest): Uint8Array {
  return body instanceof Uint8Array ? body : new Uint8Array();
}
