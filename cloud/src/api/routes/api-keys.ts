import { durationBetween } from '@weir/protocols';
import { z } from 'zod';
import type { ApiKey } from '../../access/access.ts';
import { accessKeyIdOf } from '../../access/key-format.ts';
import { ROLES } from '../../access/role.ts';
import * as schemas from '../schemas.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

const TTL_MS_MIN = 1_000;
const TTL_MS_MAX = 10 * 365 * 86_400_000;

const apiKey = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(ROLES),
  createdAt: z.int(),
  createdBy: z.string(),
  expiresAt: z.int().optional(),
  revokedAt: z.int().optional(),
  lastUsedAt: z.int().optional().describe('to ten minutes'),
  accessKeyId: z.string().describe('of the same key, for clients of the IoT Data Plane'),
});

/** `hub` is who makes the first one. */
const keyName = schemas.name.refine((name) => name !== 'hub', 'no API key is named "hub"');

export function apiKeyRoutes(app: Routes, { access, caSha256, apiUrl }: OperatorApiOptions): void {
  app.get(
    '/whoami',
    {
      schema: {
        summary: 'The API key that asks',
        response: {
          200: z.object({ id: z.string(), name: z.string(), role: z.enum(ROLES), expiresAt: z.int().optional() }),
        },
      },
    },
    async ({ principal }) => principal!,
  );

  app.post(
    '/api-keys',
    {
      schema: {
        summary: 'Make an API key; its secret is shown this once, in both forms',
        body: z.strictObject({
          name: keyName,
          role: z.enum(ROLES),
          ttl: durationBetween(TTL_MS_MIN, TTL_MS_MAX)
            .optional()
            .describe('a duration such as "90d", or milliseconds; without, it is good until it is revoked'),
        }),
        response: {
          201: apiKey.extend({
            key: z.string().describe('for the header Authorization: Bearer KEY'),
            secretAccessKey: z.string(),
            url: z.string().describe('where other machines find this API'),
            caSha256: z.string().describe("of the hub's certificate authority, for weir login --ca-sha256"),
          }),
        },
      },
    },
    async ({ body: { ttl, ...options }, principal }, reply) => {
      const by = principal!.name;
      const { credentials, ...made } = await access.create({
        ...options,
        by,
        ...(ttl !== undefined && { ttlMs: ttl }),
      });
      return reply.code(201).send({ ...made, ...credentials, url: apiUrl(), caSha256 });
    },
  );

  app.get(
    '/api-keys',
    { schema: { summary: 'API keys, in order of their making', response: { 200: schemas.pageOf(apiKey) } } },
    async () => ({ items: access.list().map(shown) }),
  );

  app.delete(
    '/api-keys/:key',
    {
      schema: {
        summary: 'Revoke an API key, by its id or name: it is refused at once, and what it watches ends',
        params: z.object({ key: schemas.name }),
        response: { 200: apiKey },
      },
    },
    async ({ params }) => shown(await access.revoke(params.key)),
  );

  function shown(about: ApiKey) {
    return { ...about, accessKeyId: accessKeyIdOf(about.id) };
  }
}
