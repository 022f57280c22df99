import { z } from 'zod';
import { ASSIGNEE_CHARS_MAX, COMMENT_CHARS_MAX, SHELVE_MS_MAX } from '../../alerts/operator.ts';
import { alertFilterQuery, filterOf } from '../alert-filter.ts';
import * as schemas from '../schemas.ts';
import { type OperatorApiOptions, page, type Routes } from './route.ts';

/** In one request; more are asked for in several. */
const EPISODES_MAX = 500;

const comment = z.string().min(1).max(COMMENT_CHARS_MAX);
const episodes = z
  .array(z.string().min(1).max(64))
  .min(1)
  .max(EPISODES_MAX)
  .describe('ids, or begins of ids that no other has');
const id = z
  .string()
  .min(8)
  .max(64)
  .optional()
  .describe('chosen by whoever asks: what is asked twice under one id is done once; one is made if there is none');

/** What is asked for with each action. */
const action = z.discriminatedUnion('what', [
  z.strictObject({ what: z.enum(['ack', 'unack', 'unshelve', 'end']), episodes, comment: comment.optional(), id }),
  z.strictObject({ what: z.literal('comment'), episodes, comment, id }),
  z.strictObject({
    what: z.literal('assign'),
    ...{ episodes, id },
    assignee: z.string().min(1).max(ASSIGNEE_CHARS_MAX).optional().describe('absent: to nobody'),
    comment: comment.optional(),
  }),
  z.strictObject({
    what: z.literal('shelve'),
    ...{ episodes, id },
    forMs: z.int().min(1_000).max(SHELVE_MS_MAX).describe('how long nobody is to be told'),
    comment: comment.optional(),
  }),
]);

export function alertRoutes(app: Routes, { alerts, now, random }: OperatorApiOptions): void {
  app.get(
    '/alerts',
    {
      schema: {
        summary:
          'Alert episodes; those that began last come first. A page may have fewer than its limit and yet have a next',
        querystring: schemas.pageQuery.extend(alertFilterQuery),
        response: { 200: schemas.pageOf(schemas.episodeSeen) },
      },
    },
    ({ query }) => alerts.list(filterOf(query), page({ limit: query.limit, after: query.after })),
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
    ({ params }) => alerts.get(params.episode),
  );

  app.post(
    '/alerts/actions',
    {
      schema: {
        summary: 'Acknowledge, assign, comment, shelve or end episodes; what is so already is left as it is',
        body: action,
        response: {
          200: z.object({
            items: z.array(
              z.object({
                episode: z.string(),
                outcome: z.enum(['done', 'unchanged', 'refused']),
                why: z.string().optional(),
              }),
            ),
          }),
        },
      },
    },
    async ({ body, principal }) => {
      const { episodes, id = Buffer.from(random(ID_BYTES)).toString('hex'), what, comment } = body;
      const entry = {
        ...{ id, what, by: principal!.name },
        ...(comment !== undefined && { comment }),
        ...(body.what === 'assign' && body.assignee !== undefined && { assignee: body.assignee }),
        ...(body.what === 'shelve' && { until: now() + body.forMs }),
      };
      return { items: await alerts.act(episodes, entry) };
    },
  );
}

const ID_BYTES = 8;
