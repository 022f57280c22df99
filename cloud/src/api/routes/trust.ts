/** Whom the fleet trusts, and what has been released: what the author's own machine has to know before it signs. */
import { ENVELOPE_BYTES_MAX } from '@weir/protocols';
import { z } from 'zod';
import { oldestWanted, releasesOf } from '../../trust/releases.ts';
import { addRoot, currentRoot, rootsAfter } from '../../trust/roots.ts';
import * as schemas from '../schemas.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

const envelope = z.object({
  payloadType: z.string(),
  payload: z.string(),
  signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })),
});
const hubKey = z.object({ keyid: z.string(), public: z.string() });

export function trustRoutes(app: Routes, { store, fleet, hubKey: key, now }: OperatorApiOptions): void {
  app.get(
    '/root',
    {
      schema: {
        summary: 'The root file in force (null: none yet), and the key by which this hub signs, which it has to name',
        response: { 200: z.object({ hubKey, version: z.int().nullable(), envelope: envelope.nullable() }) },
      },
    },
    async () => {
      const kept = await currentRoot(store);
      const own = { keyid: key.keyid, public: key.public };
      if (kept === undefined) return { hubKey: own, version: null, envelope: null };
      return { hubKey: own, version: kept.root.version, envelope: JSON.parse(kept.envelope) };
    },
  );

  app.get(
    '/roots',
    {
      schema: {
        summary: 'Root files after a version, in order; a few at a time',
        querystring: z.object({ after: z.coerce.number().int().min(0).default(0) }),
        response: { 200: z.object({ items: z.array(envelope) }) },
      },
    },
    async ({ query }) => ({ items: (await rootsAfter(store, query.after)).map((text) => JSON.parse(text)) }),
  );

  app.post(
    '/roots',
    {
      bodyLimit: 2 * ENVELOPE_BYTES_MAX.root,
      schema: {
        summary: 'Give the first root file, or the successor of the one in force, signed by the root keys of both',
        body: envelope,
        response: { 201: z.object({ version: z.int() }) },
      },
    },
    async (request, reply) => {
      const { payloadType, payload, signatures } = request.body;
      const text = JSON.stringify({ payloadType, payload, signatures });
      const { version } = await addRoot(store, text, key.keyid, now());
      await fleet.allChanged();
      return reply.code(201).send({ version });
    },
  );

  const release = z.object({
    ...{ release: z.int(), floor: z.int(), version: z.string() },
    ...{ hash: z.string(), createdAt: z.int() },
  });
  app.get(
    '/functions/:name/releases',
    {
      schema: {
        summary:
          'Releases of a function, rule or forwarding policy, newest first: the highest and the highest floor so far, ' +
          'and the oldest that a group wants or would go back to; null: none',
        params: z.object({ name: schemas.name }),
        response: {
          200: z.object({
            highest: z.int().nullable(),
            floor: z.int().nullable(),
            oldestWanted: z.int().nullable(),
            items: z.array(release),
          }),
        },
      },
    },
    async ({ params: { name } }) => ({
      ...(await releasesOf(store, name)),
      oldestWanted: await oldestWanted(store, name),
    }),
  );
}
