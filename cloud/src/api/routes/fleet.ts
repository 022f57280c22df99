import {
  durationBetween,
  formatJoinToken,
  type JsonObject,
  SELECTOR_CHARS_MAX,
  TAG_CHARS_MAX,
  WEIR_SHADOW,
} from '@weir/protocols';
import { z } from 'zod';
import { understood } from '../../fleet/selectors.ts';
import { TOKEN_TTL_MS_MAX, TOKEN_USES_MAX } from '../../fleet/tokens.ts';
import { unknownDevice } from '../../fleet/unknown-device.ts';
import { gapsInRange } from '../../gaps/gaps.ts';
import { countHistory, readHistory } from '../../store/history.ts';
import { readLatest } from '../../store/latest.ts';
import * as schemas from '../schemas.ts';
import { summaryOf } from './gaps.ts';
import { given, type OperatorApiOptions, page, type Routes } from './route.ts';

const DAY_MS = 86_400_000;
/** Nobody enters one faster. */
const TOKEN_TTL_MS_MIN = 1_000;
const deviceParams = z.object({ device: schemas.deviceOrGatherer });

export function tokenRoutes(app: Routes, { fleet, caSha256, joinUrl }: OperatorApiOptions): void {
  const body = z.strictObject({
    groups: z.array(schemas.name).min(1).max(32),
    ttl: durationBetween(TOKEN_TTL_MS_MIN, TOKEN_TTL_MS_MAX)
      .default(DAY_MS)
      .describe('a duration such as "24h", or milliseconds'),
    uses: z.int().min(1).max(TOKEN_USES_MAX).default(1),
    replace: z.boolean().default(false).describe('lets a device of these groups join again'),
    tags: z.record(schemas.name, z.string().max(TAG_CHARS_MAX)).default({}).describe('given to the devices that join'),
  });
  const answer = z.object({ id: z.string(), token: z.string(), joinUrl: z.string(), expiresAt: z.int() });
  const schema = { summary: 'Make a join token; it is shown this once', body, response: { 201: answer } };
  app.post('/tokens', { schema }, async (request, reply) => {
    const { ttl, ...options } = request.body;
    const { id, secret, expiresAt } = await fleet.createToken({ ...options, ttlMs: ttl });
    const token = formatJoinToken({ secret, caSha256 });
    return reply.code(201).send({ id, token, joinUrl: joinUrl(), expiresAt });
  });

  app.get(
    '/tokens',
    {
      schema: {
        summary: 'Join tokens, newest first, without their secrets; those that ended are forgotten after a week',
        response: { 200: schemas.pageOf(schemas.token) },
      },
    },
    async () => ({ items: await fleet.tokens() }),
  );

  app.delete(
    '/tokens/:id',
    {
      schema: {
        summary: 'End a join token: nobody joins with it any more; who has joined stays',
        params: z.object({
          id: z.string().regex(/^[0-9a-f]{1,64}$/, 'the id of a token, as weir token list shows it'),
        }),
        response: { 200: schemas.token },
      },
    },
    ({ params }) => fleet.revokeToken(params.id),
  );
}

export function deviceRoutes(
  app: Routes,
  { fleet, store, downlink, deadLetters, gaps, conditions, connectionOf }: OperatorApiOptions,
): void {
  const filter = z.object({
    group: schemas.name.optional(),
    selector: z
      .string()
      .max(SELECTOR_CHARS_MAX + 1)
      .optional()
      .describe('by tags, as that of a group'),
    state: schemas.deviceState.optional(),
    failing: z.stringbool().optional().describe('whether something that runs on it, or for it, failed'),
    ailing: z.stringbool().optional().describe('whether it has any problem'),
    problem: schemas.problemCode.optional(),
    version: z.string().max(64).optional().describe('of its agent'),
  });
  app.get(
    '/devices',
    {
      schema: {
        summary:
          'Devices, in order of id, and how they are; a page may have fewer than its limit, even none, and yet have a next',
        querystring: filter.extend(schemas.pageQuery.shape),
        response: { 200: schemas.pageOf(schemas.deviceCondition) },
      },
    },
    ({ query: { limit, after, selector, ...rest } }) =>
      conditions.list(
        { ...given(rest), ...(selector !== undefined && { selector: understood(selector) }) },
        page({ limit, after }),
      ),
  );

  app.get(
    '/devices/:device',
    {
      schema: {
        summary: 'One device: its record, shadow, deployments, refused messages and newest readings',
        params: deviceParams,
        response: { 200: schemas.deviceDetail },
      },
    },
    async ({ params: { device } }) => {
      const record = await fleet.device(device);
      if (record === undefined) throw unknownDevice(device);
      const [condition, document, status, refused, latest, letters, missing] = await Promise.all([
        conditions.of(record),
        downlink.getShadow(device, WEIR_SHADOW),
        fleet.status({ device }),
        fleet.refusedBy(device),
        readLatest(store, device),
        deadLetters.countOf(device),
        gaps.summary(device),
      ]);
      const told = { refused, latest, deadLetters: letters, gaps: summaryOf(missing) };
      const connection = given({ connection: connectionOf(device) });
      const detail = { ...record, ...condition, ...connection, deployments: status.items, ...told };
      return document === undefined ? detail : { ...detail, shadow: shadowOf(document) };
    },
  );

  app.patch(
    '/devices/:device/tags',
    {
      schema: {
        summary: 'Change the tags of a device; with them its groups change, and what runs on it',
        params: z.object({ device: schemas.deviceId }),
        body: z.strictObject({
          set: schemas.tags.default({}),
          remove: z.array(z.string().max(64)).max(64).default([]),
        }),
        response: { 200: schemas.device },
      },
    },
    ({ params, body }) => fleet.tag(params.device, body),
  );

  const known = z.object({ device: schemas.deviceId });
  app.post(
    '/devices/:device/revoke',
    {
      schema: {
        summary:
          'End the certificate of a device at once: its connections are cut, nothing is sent to it; it can join again with a token that has `replace`',
        params: known,
        response: { 200: z.object({ groups: z.array(z.string()) }) },
      },
    },
    async ({ params }) => ({ groups: await fleet.revoke(params.device) }),
  );

  app.delete(
    '/devices/:device',
    {
      schema: {
        summary: 'Revoke a device and forget it, with its shadows and commands; what it measured stays',
        params: known,
        response: { 200: z.object({ done: z.literal(true) }) },
      },
    },
    async ({ params }) => {
      await fleet.remove(params.device);
      return { done: true } as const;
    },
  );

  app.get(
    '/devices/:device/latest',
    {
      schema: {
        summary: 'The newest reading of each series, in order of sensor and metric',
        params: deviceParams,
        response: { 200: schemas.pageOf(schemas.reading) },
      },
    },
    async ({ params }) => ({ items: await readLatest(store, params.device) }),
  );

  const range = z.object({
    sensor: z.string().max(64).optional(),
    metric: z.string().max(64).optional(),
    from: z.coerce.number().int().min(0).optional().describe('event time in ms, inclusive'),
    to: z.coerce.number().int().min(0).optional().describe('event time in ms, exclusive'),
  });

  app.get(
    '/devices/:device/readings',
    {
      schema: {
        summary:
          'Stored readings, also of a function that gathers, as <group>%2F<function>; a page may have fewer than its limit, even none, and yet have a next',
        params: deviceParams,
        querystring: range.extend({ limit: z.coerce.number().int().min(1).max(5000).optional(), after: schemas.after }),
        response: { 200: schemas.historyPage },
      },
    },
    async ({ params, query }) => {
      const { readings, next } = await readHistory(store, params.device, given(query));
      const holes = query.after === undefined ? await gapsInRange(gaps, params.device, given(query)) : [];
      return {
        items: readings,
        ...(holes.length > 0 && { gaps: holes }),
        ...(next !== undefined && { next }),
      };
    },
  );

  app.get(
    '/devices/:device/readings/count',
    {
      schema: {
        summary: 'How many readings are stored',
        params: deviceParams,
        querystring: range,
        response: { 200: z.object({ count: z.int() }) },
      },
    },
    async ({ params, query }) => ({ count: await countHistory(store, params.device, given(query)) }),
  );
}

function shadowOf(document: JsonObject): { version: number; desired?: JsonObject; reported?: JsonObject } {
  const { desired, reported } = (document.state ?? {}) as { desired?: JsonObject; reported?: JsonObject };
  return { version: document.version as number, ...given({ desired, reported }) };
}
