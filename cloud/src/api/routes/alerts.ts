import { ALERT_STATES } from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import { z } from 'zod';
import { episodesLike, getEpisode } from '../../alerts/episodes.ts';
import { listEpisodes } from '../../alerts/listing.ts';
import * as schemas from '../schemas.ts';
import { type OperatorApiOptions, page, type Routes } from './route.ts';

export function alertRoutes(app: Routes, { store }: OperatorApiOptions): void {
  app.get(
    '/alerts',
    {
      schema: {
        summary: 'Alert episodes; those that began last come first',
        querystring: schemas.pageQuery.extend({ state: z.enum(ALERT_STATES).optional() }),
        response: { 200: schemas.pageOf(schemas.episode) },
      },
    },
    ({ query }) => listEpisodes(store, { ...page(query), ...(query.state !== undefined && { states: [query.state] }) }),
  );

  app.get(
    '/alerts/:episode',
    {
      schema: {
        summary: 'One episode with its transitions, by its id or the begin of it that no other has',
        params: z.object({ episode: z.string().max(64) }),
        response: { 200: schemas.episodeDetail },
      },
    },
    async ({ params }) => {
      const [id = params.episode, another] = await episodesLike(store, params.episode, 2);
      if (another !== undefined) {
        throw new UsageError(
          'alert-ambiguous',
          `several alert episodes begin with "${params.episode}", e.g. ${id} and ${another}`,
          'give more of the id',
        );
      }
      const episode = await getEpisode(store, id);
      if (episode !== undefined) return episode;
      throw new UsageError(
        'alert-unknown',
        `there is no alert episode "${params.episode}"`,
        'see which there are: weir alert list',
      );
    },
  );
}

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
