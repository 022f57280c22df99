import { z } from 'zod';
import * as schemas from '../schemas.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

export function channelRoutes(app: Routes, { notifier }: OperatorApiOptions): void {
  const params = z.object({ name: schemas.name });

  app.post(
    '/channels',
    {
      schema: {
        summary: 'Add a place where alerts go; its signing secret is shown this once',
        body: z.discriminatedUnion('kind', [
          z.strictObject({
            name: schemas.name,
            kind: z.literal('webhook'),
            url: z.string(),
            signed: z.boolean().default(true),
          }),
          z.strictObject({ name: schemas.name, kind: z.literal('terminal') }),
        ]),
        response: { 201: z.object({ secret: z.string().optional() }) },
      },
    },
    async (request, reply) => {
      const { name, ...target } = request.body;
      return reply.code(201).send(await notifier.addChannel(name, target));
    },
  );

  app.get(
    '/channels',
    { schema: { summary: 'Channels and how they are doing', response: { 200: schemas.pageOf(schemas.channel) } } },
    async () => ({ items: await notifier.channels() }),
  );

  app.delete(
    '/channels/:name',
    {
      schema: {
        summary: 'Remove a channel, and what waits for it',
        params,
        response: { 200: z.object({ done: z.literal(true) }) },
      },
    },
    async (request) => {
      await notifier.removeChannel(request.params.name);
      return { done: true as const };
    },
  );

  app.post(
    '/channels/:name/test',
    {
      schema: {
        summary: 'Send a test message now; one that arrives enables a disabled channel again',
        params,
        response: { 200: z.object({ delivered: z.boolean(), detail: z.string() }) },
      },
    },
    (request) => notifier.test(request.params.name),
  );
}
