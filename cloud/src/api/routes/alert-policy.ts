/** Who is told of alerts, and when: silences, and the policy of the hub. */
import { z } from 'zod';
import { HOLD_REASONS } from '../../notify/plan/state.ts';
import * as schemas from '../schemas.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

const ms = z.int().min(0);

const silence = z.object({
  id: z.string(),
  matchers: z.string(),
  state: z.enum(['pending', 'active', 'expired']),
  startsAt: ms,
  endsAt: ms,
  by: z.string(),
  comment: z.string().optional(),
  createdAt: ms,
  endedBy: z.string().optional(),
});

const policy = z.object({ text: z.string(), at: ms, by: z.string() });

const labels = z.record(z.string().max(64), z.string().max(500));

const logEntry = z.object({
  at: ms,
  channel: z.string().optional(),
  what: z.string(),
  why: z.string().describe(`why it was told, or what held it back: ${HOLD_REASONS.join(', ')}`),
  detail: z.string().optional(),
  message: z.string().optional(),
});

export function alertPolicyRoutes(app: Routes, { notifier }: OperatorApiOptions): void {
  const { planning } = notifier;

  app.post(
    '/alert-silences',
    {
      schema: {
        summary: 'Silence alerts: what matches is not told to begin; what was told is still told to end',
        body: z.strictObject({
          matchers: z.string().max(4_000),
          startsAt: ms.optional(),
          endsAt: ms,
          comment: z.string().max(1_000).optional(),
        }),
        response: { 201: silence },
      },
    },
    async (request, reply) => {
      const made = await planning.addSilence(request.body, request.principal?.name ?? 'somebody');
      return reply.code(201).send(made);
    },
  );

  app.get(
    '/alert-silences',
    { schema: { summary: 'Silences; those that end last come first', response: { 200: schemas.pageOf(silence) } } },
    async () => ({ items: await planning.silences() }),
  );

  app.delete(
    '/alert-silences/:id',
    {
      schema: {
        summary: 'End a silence now: what it has held back and still fires is told',
        params: z.object({ id: z.string().min(1).max(64) }),
        response: { 200: silence },
      },
    },
    (request) => planning.endSilence(request.params.id, request.principal?.name ?? 'somebody'),
  );

  app.get(
    '/alert-policy',
    {
      schema: {
        summary: 'The policy for alerts, as it was applied; empty where there is none',
        response: { 200: policy.partial() },
      },
    },
    async () => (await planning.policy()) ?? {},
  );

  app.put(
    '/alert-policy',
    {
      schema: {
        summary: 'Set the policy for alerts: YAML; what is wrong with it is said with its line, and changes nothing',
        body: z.strictObject({ text: z.string().max(200_000) }),
        response: { 200: policy },
      },
    },
    (request) => planning.applyPolicy(request.body.text, request.principal?.name ?? 'somebody'),
  );

  app.post(
    '/alert-policy/try',
    {
      schema: {
        summary:
          'Which channels would be told now of an alert with such labels, and why not; by another policy, if one is given',
        body: z.strictObject({ labels, text: z.string().max(200_000).optional() }),
        response: {
          200: z.object({ items: z.array(z.object({ channel: z.string(), told: z.boolean(), why: z.string() })) }),
        },
      },
    },
    async ({ body }) => ({ items: await planning.try(body.labels, body.text) }),
  );

  app.get(
    '/alerts/:episode/notifications',
    {
      schema: {
        summary: 'What became of an alert on its way to each channel: what was told when, and what held it back',
        params: z.object({ episode: z.string().max(64) }),
        response: { 200: z.object({ items: z.array(logEntry) }) },
      },
    },
    async ({ params }) => ({ items: await planning.log(params.episode) }),
  );
}
