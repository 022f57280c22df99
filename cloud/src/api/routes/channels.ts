import { z } from 'zod';
import { KIND_NAMES } from '../../notify/kinds/kinds.ts';
import type { ChannelPolicyInput } from '../../notify/plan/channel-policy.ts';
import { TEMPLATE_CHARS_MAX } from '../../notify/template.ts';
import { channel, channelLetter, channelPreview } from '../channel-schema.ts';
import * as schemas from '../schemas.ts';
import { given, type OperatorApiOptions, page, type Routes } from './route.ts';

const REPLAY_MAX = 1_000;

export function channelRoutes(app: Routes, { notifier: { admin } }: OperatorApiOptions): void {
  const params = z.object({ name: schemas.name });
  const done = { 200: z.object({ done: z.literal(true) }) };
  const template = z.string().max(TEMPLATE_CHARS_MAX);
  const shownOnce = z.object({ secret: z.string().optional() });

  app.post(
    '/channels',
    {
      schema: {
        summary: 'Add a place where alerts go, with the settings of its kind; a signing secret is shown this once',
        body: z.looseObject({
          name: schemas.name,
          kind: z.enum(KIND_NAMES),
          policy: z.record(z.string(), z.json()).optional(),
          template: template.optional(),
        }),
        response: { 201: shownOnce },
      },
    },
    async (request, reply) => {
      const { name, policy, ...target } = request.body;
      const made = await admin.add(name, { ...target, policy: policy as ChannelPolicyInput | undefined });
      return reply.code(201).send(made);
    },
  );

  app.get(
    '/channels',
    { schema: { summary: 'Channels and how they are doing', response: { 200: schemas.pageOf(channel) } } },
    async () => ({ items: await admin.list() }),
  );

  app.get(
    '/channels/:name',
    {
      schema: {
        summary: 'A channel: its settings without what is secret, and how it is doing',
        params,
        response: { 200: channel },
      },
    },
    (request) => admin.get(request.params.name),
  );

  app.patch(
    '/channels/:name',
    {
      schema: {
        summary: 'Change a channel; what is not named stays, null takes away',
        params,
        body: z.strictObject({
          settings: z.record(z.string(), z.json()).optional(),
          policy: z.record(z.string(), z.json()).optional(),
          template: template.nullable().optional(),
          rotate: z
            .enum(['begin', 'end'])
            .optional()
            .describe('begin: a new signing secret beside those there are; end: only the newest is left'),
        }),
        response: { 200: shownOnce },
      },
    },
    (request) => admin.change(request.params.name, request.body),
  );

  app.delete(
    '/channels/:name',
    {
      schema: {
        summary: 'Remove a channel, and what waits for it; refused while something fires that it was told of',
        params,
        querystring: z.object({ force: z.stringbool().optional().describe('though it is never told the end of that') }),
        response: done,
      },
    },
    async ({ params: { name }, query: { force } }) => {
      await admin.remove(name, { force });
      return { done: true as const };
    },
  );

  for (const what of ['enable', 'disable'] as const) {
    app.post(
      `/channels/:name/${what}`,
      {
        schema: {
          summary:
            what === 'enable'
              ? 'Tell a channel again what is new, and what waits'
              : 'Tell a channel nothing new; what it has to hear of the end of what it was told waits',
          params,
          response: done,
        },
      },
      async (request) => {
        await admin[what](request.params.name);
        return { done: true as const };
      },
    );
  }

  app.post(
    '/channels/:name/test',
    {
      schema: {
        summary: 'Send a sample that fires, and its end; if they arrive, a channel that was gone is enabled again',
        params,
        response: {
          200: z.object({
            delivered: z.boolean(),
            detail: z.string(),
            results: z.array(
              z.object({ status: z.enum(['firing', 'resolved']), delivered: z.boolean(), detail: z.string() }),
            ),
          }),
        },
      },
    },
    (request) => admin.test(request.params.name),
  );

  app.get(
    '/channels/:name/preview',
    {
      schema: {
        summary: 'What a test would send, without what is secret',
        params,
        response: { 200: z.object({ items: z.array(channelPreview) }) },
      },
    },
    async (request) => ({ items: await admin.preview(request.params.name) }),
  );

  app.get(
    '/channels/:name/dead-letters',
    {
      schema: {
        summary: 'Messages that were given up, oldest first',
        params,
        querystring: schemas.pageQuery,
        response: { 200: schemas.pageOf(channelLetter) },
      },
    },
    ({ params: { name }, query }) => admin.letters(name, page(given(query))),
  );

  app.post(
    '/channels/:name/replay',
    {
      schema: {
        summary: 'Send what was given up again; a firing whose end was told since is left out',
        params,
        body: z.strictObject({ ids: z.array(z.string().max(200)).max(REPLAY_MAX).optional() }),
        response: { 200: z.object({ replayed: z.int(), over: z.int() }) },
      },
    },
    (request) => admin.replay(request.params.name, request.body.ids),
  );
}
