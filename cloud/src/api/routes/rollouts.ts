import { z } from 'zod';
import { requireGroup } from '../../fleet/groups.ts';
import type { RolloutWords } from '../../fleet/rollout/options.ts';
import { PHASES, type RolloutOptions } from '../../fleet/rollout/rollout.ts';
import type { RolloutStatus } from '../../fleet/rollout/rollouts.ts';
import { amountText } from '../../fleet/rollout/waves.ts';
import * as schemas from '../schemas.ts';
import { given, type OperatorApiOptions, page, type Routes } from './route.ts';

const text = z.string().min(1).max(200);
/** How a deployment comes to the devices; as it stands in a request. */
export const rolloutWords = z.strictObject({
  waves: text.optional().describe('`1,10%,50%,100%`: devices, or shares of the group, in all; the last one is 100%'),
  soak: text.optional().describe('a duration: how long a wave runs it before the next begins; 60s'),
  rate: z.number().positive().optional().describe('devices a minute'),
  abortAt: text.optional().describe('`3`, `10%` or `never`: failed devices that end it; 10%'),
  minReport: text.optional().describe('share of a wave that must have said how it goes; one device must in any case'),
  window: text.optional().describe('when devices may get it, in their own time: `Mon-Fri 02:00-04:00`'),
  zone: text.optional().describe('time zone of devices without a tag `tz`; UTC'),
  at: text.optional().describe('when it begins, ISO 8601'),
  heartbeat: text
    .optional()
    .describe('a device that runs it and is not heard of for so long has failed; or `never`; 10m'),
  takeWithin: text.optional().describe('a device that is connected and does not take it for so long has failed; 15m'),
  errorsMax: z.number().min(0).optional().describe('failed steps of a device in a minute, over which it has failed'),
  blueGreen: z
    .enum(['automatic', 'asked'])
    .optional()
    .describe('it runs beside what stands for the soak, and then takes its place: by itself, or when asked'),
});

const counts = z.object({
  members: z.int(),
  admitted: z.int().describe('let in'),
  running: z.int(),
  failed: z.int(),
  pending: z.int().describe('connected, and on the way to it'),
  offline: z.int(),
  silent: z.int().describe('in the cloud: they send nothing that would start it'),
  overridden: z.int().describe('another group wins the name on them'),
});
const rollout = z.object({
  id: z.int().describe('of two rollouts of a name the newer one has the higher'),
  group: z.string(),
  name: z.string(),
  kind: schemas.kind,
  version: z.string(),
  hash: z.string(),
  where: schemas.where,
  goesBackTo: z.string().optional().describe('version; absent: to nothing'),
  atOnce: z.boolean().describe('without waves'),
  phase: z.enum(PHASES),
  createdAt: z.int(),
  endedAt: z.int().optional(),
  wave: z.int().describe('the present one, from 1'),
  waves: z.array(z.string()),
  members: z.int().describe('of the group when it began'),
  admitted: z.int(),
  counts: counts.optional().describe('as they are, or were at its end'),
  waiting: z.string().optional().describe('what it waits for'),
  why: z.string().optional().describe('it was aborted'),
  failures: z.array(z.object({ device: z.string(), reason: z.string() })).describe('the first ten'),
  told: z.array(z.object({ at: z.int(), text: z.string() })).describe('what happened, oldest first'),
  options: z.object({
    soakMs: z.number(),
    perMinute: z.number().optional(),
    abortAt: z.string().optional(),
    minReportPercent: z.number(),
    window: z.string().optional(),
    zone: z.string(),
    notBefore: z.number().optional(),
    heartbeatMs: z.number().optional(),
    takeWithinMs: z.number(),
    errorsPerMinuteMax: z.number().optional(),
    blueGreen: z.enum(['automatic', 'asked']).optional(),
  }),
});
type RolloutAnswer = z.input<typeof rollout>;

const params = z.object({ group: schemas.name, name: schemas.name });
const ACTIONS = {
  pause: 'Let nobody else in; who has it keeps it',
  resume: 'Go on after a pause',
  abort: 'Have all devices go back to the last good version, also those that are offline',
  switch: 'Blue/green: have the new version take over where both run',
} as const;

export function rolloutRoutes(app: Routes, { fleet, store }: OperatorApiOptions): void {
  const schema = { params, response: { 200: rollout } };
  app.get(
    '/groups/:group/rollouts/:name',
    { schema: { summary: 'The newest rollout of a name, and how it goes', ...schema } },
    async ({ params }) => answer(await fleet.rollouts.get(params.group, params.name)),
  );
  for (const [action, summary] of Object.entries(ACTIONS) as [keyof typeof ACTIONS, string][]) {
    app.post(`/groups/:group/rollouts/:name/${action}`, { schema: { summary, ...schema } }, async ({ params }) =>
      answer(await fleet.rollouts.act(params.group, params.name, action)),
    );
  }
  app.post(
    '/groups/:group/rollouts/:name/retry',
    { schema: { summary: 'Begin an aborted rollout anew', ...schema } },
    async ({ params }) => {
      await fleet.retry(params.group, params.name);
      return answer(await fleet.rollouts.get(params.group, params.name));
    },
  );
  const named = z.object({ name: schemas.name.optional() });
  app.get(
    '/groups/:group/rollouts',
    {
      schema: {
        summary: 'Rollouts of a group, newest first; of each name the last twenty',
        params: z.object({ group: schemas.name }),
        querystring: named,
        response: { 200: z.object({ items: z.array(rollout) }) },
      },
    },
    async ({ params, query }) => {
      await requireGroup(store, params.group);
      return { items: (await fleet.rollouts.history(params.group, query.name)).map(answer) };
    },
  );
  app.get(
    '/rollouts',
    {
      schema: {
        summary: 'The newest rollout of each name of each group; limit counts groups',
        querystring: schemas.pageQuery.extend(named.shape),
        response: { 200: schemas.pageOf(rollout) },
      },
    },
    async ({ query }) => {
      const groups = await fleet.groups(page(query));
      const found = await fleet.rollouts.list(groups.items.map(({ name }) => name));
      const items = found.filter(({ target }) => query.name === undefined || target.name === query.name).map(answer);
      return { items, ...(groups.next !== undefined && { next: groups.next }) };
    },
  );
}

function answer(status: RolloutStatus): RolloutAnswer {
  const { target, options, order, lastGood, progress, wave, phase, ...rest } = status;
  const { group, name, kind, version, hash, where } = target;
  const { atOnce, createdAt, endedAt, members, admitted, why, failures, told } = rest;
  const known = {
    ...{ endedAt, why, goesBackTo: lastGood?.version, counts: progress?.counts ?? rest.counts },
    waiting: progress?.waiting,
  };
  return {
    ...{ id: order, group, name, kind, version, hash, where, atOnce, phase, createdAt },
    ...{ wave: wave + 1, waves: options.waves.map(amountText), members, admitted, failures, told },
    ...given(known),
    options: optionsOf(options),
  };
}

function optionsOf({ waves: _, abortAt, ...options }: RolloutOptions): RolloutAnswer['options'] {
  return abortAt === undefined ? options : { ...options, abortAt: amountText(abortAt) };
}

/** Only what was given. */
export function wordsOf(body: z.output<typeof rolloutWords> | undefined): RolloutWords {
  return given(body ?? {});
}
