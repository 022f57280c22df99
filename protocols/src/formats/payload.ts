/**
 * What sensors send: a plain number, or JSON.
 *
 *     81.5                                   one value
 *     true | "open"                          one value
 *     { "value": 81.5, "ts"?: …, "unit"?: "Cel", "quality"?: "good" }
 *     { "temperature": 4.1, "humidity": 61, "ts"?: … }      several metrics, only where the topic names none
 *     [ …any of the objects above… ]
 *
 * `ts` is milliseconds since epoch or an ISO 8601 text with a zone. Without it the time of arrival is taken.
 *
 * A text that is wholly a plain number is that number, `"99.5"` is 99.5: many gateways of PLCs quote what they read, and
 * as a text it would pass every rule unseen. Every other text stays one, `"NaN"` and `"0x10"` too.
 */
import { nestsDeeper } from '../nesting.ts';
import { isLabel, isName, isTimestamp, isValue, LABEL_BYTES_MAX, type Reading } from '../reading.ts';

/** Why a payload was refused; a closed list, also metric labels. */
export const PAYLOAD_FAULTS = [
  'empty',
  'invalid-utf8',
  'invalid-json',
  'too-deep',
  'not-a-value',
  'not-finite',
  'invalid-name',
  'invalid-time',
  'too-many-readings',
] as const;
export type PayloadFault = (typeof PAYLOAD_FAULTS)[number];

export class PayloadError extends Error {
  readonly code: PayloadFault;

  constructor(code: PayloadFault, message: string) {
    super(message);
    this.name = 'PayloadError';
    this.code = code;
  }
}

export interface PayloadContext {
  sensor: string;
  /** Undefined: the payload's keys name the metrics. */
  metric?: string;
  /** Time of arrival, ms since epoch. */
  now: number;
}

/** One message is one sample of one sensor, not an archive. */
export const READINGS_PER_PAYLOAD_MAX = 1000;

/** A list of objects is 2 deep; deeper levels can only be refused, but V8 would first build them, 100,000 if need be. */
const DEPTH_MAX = 8;
/** So short a text is parsed in microseconds, however deep. */
const DEPTH_UNCHECKED_CHARACTERS = 1024;
/** `value` is a metric, these are not. */
const KEYS_BESIDE_METRICS = 3;

// Each digit can match in one place only: the time is linear, also for 256 KiB of digits and a letter.
const PLAIN_NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
/**
 * So many seconds are 2001 to 2286. As milliseconds they are January to April 1970, which a sensor without a clock
 * reaches only after eleven days.
 */
const SECONDS_MIN = 1e9;
const SECONDS_MAX = 1e10;
const NOT_FINITE = /^[+-]?(nan|inf(inity)?)$/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws {PayloadError}; a payload is accepted whole or not at all. */
export function decodePayload(payload: Uint8Array, context: PayloadContext): Reading[] {
  const text = decodeText(payload).trim();
  if (text === '') throw new PayloadError('empty', 'the payload is empty');
  if (PLAIN_NUMBER.test(text)) return [single(Number(text), context)];
  if (NOT_FINITE.test(text)) throw new PayloadError('not-finite', `${text} is not a finite number`);
  const body = parseJson(text);
  if (!Array.isArray(body)) return decodeSample(body, context);
  if (body.length > READINGS_PER_PAYLOAD_MAX) throw tooMany();
  const readings = body.flatMap((sample) => decodeSample(sample, context));
  if (readings.length > READINGS_PER_PAYLOAD_MAX) throw tooMany();
  if (readings.length === 0) throw new PayloadError('empty', 'the list is empty');
  return readings;
}

function decodeText(payload: Uint8Array): string {
  try {
    return utf8.decode(payload);
  } catch {
    throw new PayloadError('invalid-utf8', 'the payload is not UTF-8 text');
  }
}

function parseJson(text: string): unknown {
  if (text.length > DEPTH_UNCHECKED_CHARACTERS && nestsDeeper(text, DEPTH_MAX)) {
    throw new PayloadError('too-deep', `JSON nested deeper than ${DEPTH_MAX}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PayloadError('invalid-json', `neither a number nor JSON: ${(error as Error).message}`);
  }
}

function decodeSample(sample: unknown, context: PayloadContext): Reading[] {
  if (typeof sample !== 'object' || sample === null) return [single(sample, context)];
  if (Array.isArray(sample)) throw new PayloadError('not-a-value', 'a list within a list');
  if (Object.keys(sample).length > READINGS_PER_PAYLOAD_MAX + KEYS_BESIDE_METRICS) throw tooMany();
  const { value, ts, unit, quality, ...rest } = sample as Record<string, unknown>;
  const extra: Partial<Reading> = { ts: ts === undefined ? context.now : decodeTime(ts) };
  if (unit !== undefined) extra.unit = label('unit', unit);
  if (quality !== undefined && quality !== 'good') extra.quality = label('quality', quality);
  if (context.metric !== undefined) {
    if (value === undefined) throw new PayloadError('not-a-value', 'the object has no "value"');
    return [{ ...single(value, context), ...extra }];
  }
  const metrics = Object.entries(value === undefined ? rest : { ...rest, value });
  if (metrics.length === 0) throw new PayloadError('empty', 'the object names no metric');
  if (metrics.length > READINGS_PER_PAYLOAD_MAX) throw tooMany();
  return metrics.map(([metric, each]) => ({ ...single(each, { ...context, metric }), ...extra }));
}

function single(value: unknown, { sensor, metric = 'value', now }: PayloadContext): Reading {
  if (!isName(sensor)) throw new PayloadError('invalid-name', `${quote(sensor)} is no name of a sensor`);
  if (!isName(metric)) throw new PayloadError('invalid-name', `${quote(metric)} is no name of a metric`);
  const given = unquoted(value);
  if (isValue(given)) return { sensor, metric, value: given, ts: now };
  if (typeof given === 'number') throw new PayloadError('not-finite', `${metric}: ${given} is not a finite number`);
  const found =
    typeof value === 'string' ? 'a text too long or not well-formed' : value === null ? 'null' : typeof value;
  throw new PayloadError('not-a-value', `${metric}: a number, a boolean or a short text is wanted, found ${found}`);
}

/** A number that came as a text is a number. */
function unquoted(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const text = value.trim();
  return PLAIN_NUMBER.test(text) ? Number(text) : value;
}

function decodeTime(ts: unknown): number {
  const number = unquoted(ts);
  if (typeof number === 'number' && number >= SECONDS_MIN && number < SECONDS_MAX) {
    throw new PayloadError('invalid-time', `ts: ${number} looks like seconds; milliseconds since epoch are wanted`);
  }
  if (isTimestamp(ts)) return ts;
  if (typeof ts === 'number' && isTimestamp(Math.round(ts))) return Math.round(ts);
  if (typeof ts === 'string' && /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)$/.test(ts)) {
    const ms = Date.parse(ts);
    if (isTimestamp(ms)) return ms;
  }
  throw new PayloadError('invalid-time', 'ts: milliseconds since epoch or ISO 8601 with a zone is wanted');
}

function label(field: string, text: unknown): string {
  if (isLabel(text)) return text;
  throw new PayloadError('not-a-value', `${field}: a text of 1 to ${LABEL_BYTES_MAX} bytes is wanted`);
}

function tooMany(): PayloadError {
  return new PayloadError('too-many-readings', `more than ${READINGS_PER_PAYLOAD_MAX} readings in one payload`);
}

/** A refused name may be a whole message long; its report may not. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 39)}…` : text);
}
