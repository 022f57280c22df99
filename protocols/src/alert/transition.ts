import { z } from 'zod';
import { isGatherer } from '../gatherer.ts';
import { isDeviceId, isLabel, NAME_PATTERN, TS_MAX } from '../reading.ts';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/**
 * Of an episode. Those but `pending` and `resolved` are active.
 *
 *     pending     the condition holds, but not yet for long enough
 *     firing      it has held for long enough
 *     recovering  it is over, but not yet for long enough
 *     no-data     it fired, and its signal is away: nobody knows
 *     error       it fired, and cannot be judged: a level is missing, a unit is of another kind
 *     resolved    the end
 */
export const ALERT_STATES = ['pending', 'firing', 'recovering', 'no-data', 'error', 'resolved'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/**
 * Why a transition happened; a closed list, also a metric label.
 *
 *     threshold     a reading crossed the level
 *     held          it stayed beyond the level for the rule's `for`
 *     cleared       a reading passed the clear level
 *     function      user code said so
 *     removed       the rule or function was taken off the device; what fired is always told as ended
 *     quarantined   the function misbehaved and was stopped; nobody watches any more
 *     severity      another rung of the ladder
 *     silent        no reading for too long
 *     returned      readings are there again
 *     no-data       the signal is away; `error`: it cannot be judged
 *     kept          over for as long as the rule keeps firing
 *     no-recurrence nothing of the kind for long enough
 *     expired       the rule ends it by itself after a time
 *     schedule      the rule is not watched at this time
 *     acknowledged  over before, and now somebody has seen it
 *     manual        somebody ended it
 *     corrected     readings that came late: it began earlier than was told
 *     summary       too many at once: one stands for all
 */
export const ALERT_REASONS = [
  'threshold',
  'held',
  'cleared',
  'function',
  'removed',
  'quarantined',
  'severity',
  'silent',
  'returned',
  'no-data',
  'error',
  'kept',
  'no-recurrence',
  'expired',
  'schedule',
  'acknowledged',
  'manual',
  'corrected',
  'summary',
] as const;
export type AlertReason = (typeof ALERT_REASONS)[number];

const ts = z.int().min(0).max(TS_MAX);

/** A reading that brought a transition about. */
const causeSchema = z.object({
  device: z.string().max(128).optional(),
  sensor: z.string().regex(NAME_PATTERN),
  metric: z.string().regex(NAME_PATTERN),
  ts,
  value: z.union([z.number(), z.boolean(), z.string().max(256)]),
});
export type AlertCause = z.infer<typeof causeSchema>;
export const CAUSES_MAX = 10;

/** Labels of one rule. */
export const LABELS_MAX = 16;

/** One step of an episode. (episode, seq) is its identity everywhere: receivers drop what they have seen. */
export const alertTransitionSchema = z.object({
  episode: z.string().regex(/^[a-z0-9]{8,40}$/),
  /** 1 for the first transition of the episode, then 2, 3, … without holes. */
  seq: z.int().min(1),
  state: z.enum(ALERT_STATES),
  reason: z.enum(ALERT_REASONS),
  severity: z.enum(SEVERITIES),
  /** Rule or function that raised it, at this version. */
  source: z.object({
    kind: z.enum(['rule', 'function']),
    name: z.string().regex(NAME_PATTERN),
    version: z.string().max(64),
  }),
  /** Whose it is; of a function that gathers, its name in place of a device's. */
  device: z.string().refine((text) => isDeviceId(text) || isGatherer(text), 'no name of a device'),
  sensor: z.string().regex(NAME_PATTERN).optional(),
  metric: z.string().regex(NAME_PATTERN).optional(),
  /** Event time of this transition. */
  ts,
  /** Event time at which the condition became true. */
  startedAt: ts,
  /** Value that caused the transition. */
  value: z.union([z.number(), z.boolean(), z.string().max(256)]).optional(),
  /** The worst value of the episode so far. */
  peak: z.number().optional(),
  /** The level that was crossed, in the unit of the rule. */
  level: z.number().optional(),
  /** Of `value`, `peak` and `level`. */
  unit: z.string().max(64).optional(),
  summary: z.string().max(500),
  description: z.string().max(1000).optional(),
  /** Where it says what to do. */
  runbook: z.string().max(500).optional(),
  /** Of the rule. */
  labels: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), z.string().max(128))
    .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`)
    .optional(),
  /** The latest readings that brought it about. */
  causes: z.array(causeSchema).max(CAUSES_MAX).optional(),
  /** The whole episode was over before anybody looked at it: for the record, not for people at night. */
  historical: z.boolean().optional(),
  /** Evaluated, to be told to nobody. */
  dryRun: z.boolean().optional(),
  /** Active until somebody has acknowledged it, though its condition may be over. */
  latch: z.boolean().optional(),
  /** Until then nobody is to be told, for it is a time of maintenance of the rule; ms. */
  mutedUntil: ts.optional(),
  /** How many it stands for, with reason `summary`. */
  count: z.int().min(1).optional(),
  /** `clock`: the device did not know what time it was. */
  quality: z.string().refine(isLabel).optional(),
});
export type AlertTransition = z.infer<typeof alertTransitionSchema>;

/** Same key, same notification: a receiver that keeps the keys it has seen never acts twice. */
export function transitionKey(transition: { episode: string; seq: number }): string {
  return `${transition.episode}-${transition.seq}`;
}
