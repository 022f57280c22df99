/** What a function puts out, checked one by one: it comes from an isolate, and from there the world is reached. */
import {
  type AlertTransition,
  type Columns,
  columnsOf,
  isDeviceId,
  isName,
  isTimestamp,
  isValue,
  type Manifest,
  type Reading,
} from '@weir/protocols';
import { z } from 'zod';
import type { DeadLetter, DeviceCommand, HttpRequest, LogLine, Publish, StepOutput } from './fold.ts';
import type { OpenAlerts } from './open-alerts.ts';
import { SeriesFilter } from './select.ts';

export interface FunctionOutput {
  emitted: Reading[];
  alerts: AlertTransition[];
  publishes: Publish[];
  requests: HttpRequest[];
  commands: DeviceCommand[];
  deadLetters: DeadLetter[];
  logs: LogLine[];
}

export function emptyFunctionOutput(): FunctionOutput {
  return { emitted: [], alerts: [], publishes: [], requests: [], commands: [], deadLetters: [], logs: [] };
}

/** Adds what functions made to what a step made. @returns what they emitted */
export function mergeOutputs(results: readonly (FunctionOutput | undefined)[], output: StepOutput): Columns {
  const emitted: Reading[] = [];
  for (const result of results) {
    if (result === undefined) continue;
    for (const reading of result.emitted) emitted.push(reading);
    output.alerts.push(...result.alerts);
    output.publishes.push(...result.publishes);
    output.requests.push(...result.requests);
    output.commands.push(...result.commands);
    output.deadLetters.push(...result.deadLetters);
    output.logs.push(...result.logs);
  }
  return columnsOf(emitted);
}

const TEXT_CHARS_MAX = 65_536;
/** A command travels in one message, beside others. */
const COMMAND_CHARS_MAX = 16_384;
const HEADERS_MAX = 20;

const alertSchema = z.object({
  key: z.string().max(200),
  name: z.string().min(1).max(128),
  active: z.boolean(),
  severity: z.enum(['info', 'warning', 'critical']),
  summary: z.string().transform((text) => text.slice(0, 500)),
  value: z.union([z.number(), z.boolean(), z.string().max(256)]).optional(),
  sensor: z.string().refine(isName).optional(),
  metric: z.string().refine(isName).optional(),
  ts: z.number().refine(isTimestamp),
});

const publishSchema = z.object({
  topic: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[^+#$\0][^+#\0]*$/),
  payload: z.string().max(TEXT_CHARS_MAX),
  qos: z.union([z.literal(0), z.literal(1)]),
  retain: z.boolean(),
});

const requestSchema = z.object({
  key: z.string().max(200),
  name: z.string().refine(isName, 'no name'),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  url: z.url({ protocol: /^https?$/ }).max(2_048),
  headers: z
    .record(
      z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,64}$/),
      z.union([
        z
          .string()
          .max(1_024)
          .regex(/^[\t\x20-\x7e]*$/),
        z
          .strictObject({ $secret: z.string().refine(isName, 'no name') })
          .transform(({ $secret }) => `\${secret:${$secret}}`),
      ]),
    )
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, `more than ${HEADERS_MAX} headers`),
  body: z.string().max(TEXT_CHARS_MAX).optional(),
  /** Whether the body was made from something else than a text. */
  json: z.boolean(),
  timeoutMs: z.int().min(100).max(60_000),
  retries: z.int().min(0).max(10),
});

const commandSchema = z.object({
  name: z.string().refine(isName, 'no name'),
  payload: z
    .json()
    .refine((payload) => JSON.stringify(payload).length <= COMMAND_CHARS_MAX, `over ${COMMAND_CHARS_MAX} characters`),
  device: z.string().refine(isDeviceId, 'no device').optional(),
  function: z.string().refine(isName, 'no name of a function').optional(),
});

export interface OutputsOptions {
  manifest: Manifest;
  alerts: OpenAlerts;
  /** `device`: commands go to the device of the host only. */
  reach: 'device' | 'fleet';
}

export class Outputs {
  #manifest: Manifest;
  #alerts: OpenAlerts;
  #reach: OutputsOptions['reach'];
  #declared: SeriesFilter | undefined;

  constructor({ manifest, alerts, reach }: OutputsOptions) {
    this.#manifest = manifest;
    this.#alerts = alerts;
    this.#reach = reach;
    if (manifest.outputs.length > 0) this.#declared = new SeriesFilter(manifest.outputs);
  }

  /**
   * Puts it where it belongs.
   * @param position of the step; ids derive from it
   * @returns what is wrong with it; `told` when an alert changed
   */
  accept(
    raw: unknown,
    { position, device }: { position: string; device: string },
    output: FunctionOutput,
  ): string | 'told' | undefined {
    const each = (raw ?? {}) as { kind?: unknown };
    const idOf = (list: readonly unknown[]) => `${this.#manifest.name}:${position}:${list.length}`;
    if (each.kind === 'emit') return this.#emit(each, output);
    if (each.kind === 'alert') return this.#alert(each, output);
    if (each.kind === 'publish') {
      const publish = publishSchema.safeParse(each);
      if (!publish.success) return flaw('publish', publish.error);
      output.publishes.push({ id: idOf(output.publishes), ...publish.data });
    } else if (each.kind === 'request') {
      const request = requestSchema.safeParse(each);
      if (!request.success) return flaw('request', request.error);
      const { body, json, headers: given, ...rest } = request.data;
      const headers = json ? withContentType(given) : given;
      const fold = this.#manifest.name;
      output.requests.push({ id: idOf(output.requests), fold, ...rest, headers, ...(body !== undefined && { body }) });
    } else if (each.kind === 'command') {
      const command = commandSchema.safeParse(each);
      if (!command.success) return flaw('command', command.error);
      const { name, payload, device: to = device, function: taker } = command.data;
      if (this.#reach === 'device' && to !== device) {
        return `command: "${to}" is another device; a device reaches its own functions only`;
      }
      const id = idOf(output.commands);
      output.commands.push({ id, device: to, name, payload, ...(taker !== undefined && { function: taker }) });
    }
    return undefined;
  }

  #emit(each: object, output: FunctionOutput): string | undefined {
    if (!isReading(each)) return `emit: no valid reading: ${JSON.stringify(each).slice(0, 200)}`;
    if (this.#declared?.takes(each) === false) return `emit: ${each.metric} is not among its outputs`;
    output.emitted.push(pickReading(each));
    return undefined;
  }

  #alert(each: object, output: FunctionOutput): string | 'told' | undefined {
    const intent = alertSchema.safeParse(each);
    if (!intent.success) return flaw('alert', intent.error);
    const { key, name } = intent.data;
    const told = this.#alerts.say({ ...intent.data, name: key === '' ? name : `${key}/${name}` }, output.alerts);
    return told === undefined || told === 'told' ? told : `alert: ${told.problem}`;
  }
}

function withContentType(headers: Record<string, string>): Record<string, string> {
  const isGiven = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  return isGiven ? headers : { ...headers, 'content-type': 'application/json' };
}

function flaw(what: string, error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return path.length > 0 ? `${what}: ${path.join('.')}: ${message}` : `${what}: ${message}`;
}

function isReading(each: object): each is Reading {
  const { sensor, metric, value, ts } = each as Record<string, unknown>;
  const named = typeof sensor === 'string' && isName(sensor) && typeof metric === 'string' && isName(metric);
  return named && isValue(value) && isTimestamp(ts);
}

function pickReading({ sensor, metric, value, ts, unit }: Reading): Reading {
  const reading: Reading = { sensor, metric, value, ts };
  if (typeof unit === 'string' && unit.length <= 32) reading.unit = unit;
  return reading;
}
