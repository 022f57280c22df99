import { durationSchema } from '@weir/protocols';
import { z } from 'zod';
import { AUDIT_KINDS, AUDIT_OUTCOMES } from '../../audit/audit.ts';
import * as schemas from '../schemas.ts';
import { given, type OperatorApiOptions, page, type Routes } from './route.ts';

const entry = z.object({
  id: z.string(),
  kind: z.enum(AUDIT_KINDS),
  at: z.int(),
  by: z.object({ id: z.string(), name: z.string() }).optional(),
  from: z.string(),
  what: z.string(),
  target: z.string(),
  body: z.string().optional(),
  outcome: z.enum(AUDIT_OUTCOMES),
  status: z.int().optional(),
  code: z.string().optional(),
  count: z.int().optional(),
  lastAt: z.int().optional(),
});

export function auditRoutes(app: Routes, { audit, now }: OperatorApiOptions): void {
  app.get(
    '/audit',
    {
      schema: {
        summary:
          'Who changed what, and who was not let; the last come first. A page may have fewer than its limit, even ' +
          'none, and yet have a next',
        querystring: schemas.pageQuery.extend({
          since: durationSchema.optional().describe('how far back, a duration such as "7d", or milliseconds'),
          from: z.coerce.number().int().min(0).optional().describe('ms since epoch, inclusive'),
          by: z.string().max(64).optional().describe('id or name of an API key'),
          target: z.string().max(256).optional().describe('a part of the path, the route, or what was sent'),
          kind: z.enum(AUDIT_KINDS).optional(),
          outcome: z.enum(AUDIT_OUTCOMES).optional(),
        }),
        response: { 200: schemas.pageOf(entry) },
      },
    },
    ({ query: { since, from, ...query } }) => {
      const earliest = Math.max(from ?? 0, since === undefined ? 0 : now() - since);
      return audit.list({ ...given(query), ...(earliest > 0 && { since: earliest }), ...page(query) });
    },
  );
}
