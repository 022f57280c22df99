/** By what lists of alerts are narrowed: as the API takes it, and as it is looked for. */
import { ALERT_STATES, SEVERITIES } from '@weir/protocols';
import { z } from 'zod';
import type { AlertFilter } from '../alerts/alerts.ts';
import { ACTIVE_STATES } from '../alerts/listing.ts';
import { matchersSchema } from '../notify/plan/matchers.ts';
import { given } from './routes/route.ts';
import { deviceOrGatherer, name } from './schemas.ts';

/** Words with commas in between. */
function listOf<T extends string>(words: readonly T[], more: Readonly<Record<string, readonly T[]>> = {}) {
  return z
    .string()
    .max(200)
    .transform((text, context) => {
      const found: T[] = [];
      for (const word of text.split(',')) {
        const known = words.filter((each) => each === word).concat(more[word] ?? []);
        if (known.length === 0) {
          const all = [...words, ...Object.keys(more)].join(', ');
          context.addIssue({ code: 'custom', message: `"${word}" is none of ${all}` });
        }
        found.push(...known);
      }
      return [...new Set(found)];
    })
    .optional();
}

const flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .optional();
const millis = z.coerce.number().int().min(0).optional();
const ACTIVE = { active: ACTIVE_STATES };

export const alertFilterQuery = {
  state: listOf(ALERT_STATES, ACTIVE).describe(
    'with commas in between: pending, firing, recovering, no-data, error, resolved; `active`: those but pending and resolved',
  ),
  severity: listOf(SEVERITIES).describe('with commas in between'),
  device: deviceOrGatherer.optional(),
  rule: name.optional().describe('of the rule or function that raised it'),
  group: name.optional().describe('of a group that its device is in'),
  label: matchersSchema
    .optional()
    .describe('matchers of labels, as Alertmanager has them: site="lab", alertname=~"oven.*"'),
  since: millis.describe('began at or after it, ms'),
  until: millis.describe('began before it, ms'),
  updatedSince: millis.describe('something became of it at or after it, by the clock of the hub, ms'),
  acked: flag,
  assignee: z.string().max(128).optional(),
  historical: flag.describe('over before anybody looked'),
  dryRun: flag.describe('true: those that nobody is told of, instead of the others'),
};

const filterSchema = z.object(alertFilterQuery);

export function filterOf(query: z.output<typeof filterSchema>): AlertFilter {
  const { state: states, severity: severities, label: matchers } = query;
  const { device, rule, group, since, until, updatedSince, acked, assignee, historical, dryRun } = query;
  const all = {
    states,
    severities,
    matchers,
    device,
    rule,
    group,
    since,
    until,
    updatedSince,
    acked,
    assignee,
    historical,
    dryRun,
  };
  return given(all);
}
