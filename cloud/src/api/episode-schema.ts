/** Alert episodes as the API takes and gives them. */
import { ALERT_STATES, alertTransitionSchema, SEVERITIES } from '@weir/protocols';
import { z } from 'zod';
import { OPERATOR_ACTIONS } from '../alerts/episode.ts';

const millis = z.int().describe('milliseconds since 1970-01-01T00:00:00Z');

const { device, source, severity, reason, value, startedAt } = alertTransitionSchema.shape;

export const episode = z.object({
  episode: z.string(),
  device,
  source,
  sensor: z.string().optional(),
  metric: z.string().optional(),
  origin: z.enum(['edge', 'cloud']),
  state: z.enum(ALERT_STATES),
  reason,
  severity,
  severityMax: z.enum(SEVERITIES).describe('the greatest that it had'),
  summary: z.string(),
  description: z.string().optional(),
  runbook: z.string().optional().describe('where it says what to do'),
  labels: z.record(z.string(), z.string()).optional().describe('of the rule'),
  startedAt,
  firedAt: millis.optional(),
  clearedAt: millis.optional().describe('its condition was over then; with `latch` it fires until it is acknowledged'),
  resolvedAt: millis.optional(),
  value,
  level: z.number().optional().describe('that was crossed last'),
  unit: z.string().optional().describe('of value, level and peak'),
  peak: z.number().optional(),
  peakAt: millis.optional(),
  count: z.int().optional().describe('how many it stands for'),
  historical: z.boolean().optional().describe('it was over before anybody looked'),
  dryRun: z.boolean().optional().describe('evaluated, and told to nobody'),
  latch: z.boolean().optional().describe('active until it is acknowledged'),
  mutedUntil: millis.optional().describe('a time of maintenance of its rule: nobody is told before'),
  quality: z.string().optional().describe('`clock`: its device did not know what time it was'),
  recordedAt: millis.describe('when the hub heard of it'),
  updatedAt: millis,
  ackedAt: millis.optional(),
  ackedBy: z.string().optional().describe('name of an API key, as wherever somebody did something'),
  ackComment: z.string().optional(),
  assignee: z.string().optional(),
  shelvedUntil: millis.optional().describe('nobody is told before'),
  shelvedBy: z.string().optional(),
  endedManually: z
    .object({ at: millis, by: z.string(), seq: z.int(), comment: z.string().optional() })
    .optional()
    .describe('somebody ended it; `seq` is the number under which that was told'),
  comments: z.int().optional().describe('how many there are'),
});

export const seen = {
  pendingMs: millis.optional().describe('from when its condition was true until it fired'),
  activeMs: millis.optional().describe('from when it fired until it was over, or until now'),
  toAckMs: millis.optional().describe('from when the hub heard of it until it was acknowledged'),
  asOf: millis.optional().describe('its device is away: it stood so then'),
};
export const episodeSeen = episode.extend(seen);

const operatorEntry = z.object({
  id: z.string(),
  at: millis,
  by: z.string(),
  what: z.enum(OPERATOR_ACTIONS),
  comment: z.string().optional(),
  assignee: z.string().optional(),
  until: millis.optional(),
});

export const episodeDetail = episodeSeen.extend({
  transitions: z.array(alertTransitionSchema),
  log: z.array(operatorEntry).describe('what operators did, in order; the latest'),
});
