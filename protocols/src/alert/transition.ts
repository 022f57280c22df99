import { z } from 'zod';
import { isGatherer } from '../gatherer.ts';
import { isDeviceId, isLabel, NAME_PATTERN, TS_MAX } from '../reading.ts';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** `pending`: the condition holds, but not yet for long enough. `resolved` ends the episode. */
export const ALERT_STATES = ['pending', 'firing', 'resolved'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/**
 * Why a transition happened; a closed list, also a metric label.
 *
 *     threshold   a reading crossed the level
 *     held        it stayed beyond the level for the rule's `for`
 *     cleared     a reading passed the clear level
 *     function    user code said so
 *     removed     the rule or function was taken off the device; what fired is always told as ended
 *     quarantined the function misbehaved and was stopped; nobody watches any more
 */
export const ALERT_REASONS = ['threshold', 'held', 'cleared', 'function', 'removed', 'quarantined'] as const;
export type AlertReason = (typeof ALERT_REASONS)[number];

const ts = z.int().min(0).max(TS_MAX);

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
  summary: z.string().max(500),
  /** `clock`: the device did not know what time it was. */
  quality: z.string().refine(isLabel).optional(),
});
export type AlertTransition = z.infer<typeof alertTransitionSchema>;

/** Same key, same notification: a receiver that keeps the keys it has seen never acts twice. */
export function transitionKey(transition: { episode: string; seq: number }): string {
  return `${transition.episode}-${transition.seq}`;
}
