/**
 * The policy of the hub for alerts, one document of YAML.
 *
 *     routes:                          # the first that matches says which channels; all of them when none does
 *       - match: ['severity=critical', 'tag_line=~"oven.*"']
 *         channels: [on-call]
 *         continue: true               # and look at those behind it
 *     default: [mail]                  # where no route matches
 *     inhibit:                         # while one of `source` is there, nothing new of `target`
 *       - name: hall-without-power
 *         source: ['alertname=power-lost']
 *         target: ['severity!=critical']
 *         equal: [tag_hall]
 *     escalations:                     # until somebody acknowledges it, or it is over
 *       - match: ['severity=critical']
 *         steps: [{ after: 5m, channels: [phone] }, { after: 15m, channels: [boss] }]
 *     mute:                            # times at which nothing new is told
 *       - name: cleaning
 *         match: ['tag_hall=2']
 *         times: { zone: Europe/Oslo, times: ['Sat 06:00-08:00'] }
 *     flapping: { changes: 6, within: 10m, calm: 10m }
 *     settle: { late: 30s, quiet: 5s, longest: 2m }
 */
import { durationSchema, strict, weekTimesSchema, withUnits } from '@weir/protocols';
import { z } from 'zod';
import { matchersSchema } from './matchers.ts';

const LIST_MAX = 200;
const STEPS_MAX = 10;
const name = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'a name of letters, digits, _ . and -');
const channels = z.array(name).min(1, 'no channel is named').max(50);
/** Each is a list of matchers; any of them. */
const anyOf = z.array(matchersSchema).min(1, 'there are no matchers').max(20);
const labelName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'a label');

const inhibition = strict({
  name,
  source: anyOf,
  target: anyOf,
  /** Labels that both have alike, or both lack. */
  equal: z.array(labelName).max(20).default([]),
});
export type Inhibition = z.output<typeof inhibition>;

const step = strict({ after: durationSchema, channels });

const escalation = strict({
  match: anyOf.optional(),
  steps: z
    .array(step)
    .min(1, 'there is no step')
    .max(STEPS_MAX)
    .refine((steps) => steps.every(({ after }, at) => at === 0 || after > steps[at - 1]!.after), {
      message: 'each step comes later than the one before it',
    }),
});

const flapping = strict({
  /** More changes than that … */
  changes: z.int().min(3).max(100).default(6),
  /** … in this time are flapping, */
  within: durationSchema.default(600_000),
  /** until nothing has changed for so long. */
  calm: durationSchema.default(600_000),
});

/** Longer than any line that works takes. */
const LATE_MS = 30_000;
/** A device sends what has waited without a pause. */
const QUIET_MS = 5_000;
/** However much comes: an alert that is true is not to wait for longer. */
const LONGEST_MS = 120_000;

const settle = strict({
  /** What began to fire longer ago than that when it came is late: its end may be right behind it. */
  late: durationSchema.default(LATE_MS),
  /** It is told when nothing has come from its device for so long, */
  quiet: durationSchema.default(QUIET_MS),
  /** or it has waited for so long. */
  longest: durationSchema.default(LONGEST_MS),
});

export const policySchema = strict({
  routes: z
    .array(strict({ match: anyOf.optional(), channels, continue: z.boolean().default(false) }))
    .max(LIST_MAX)
    .default([]),
  default: channels.optional(),
  inhibit: z.array(inhibition).max(LIST_MAX).default([]),
  /** Which of the rules that are always there are not wanted. */
  inhibitNot: z.array(z.enum(['device-offline', 'more-severe'])).default([]),
  escalations: z.array(escalation).max(LIST_MAX).default([]),
  mute: z
    .array(strict({ name, match: anyOf.optional(), times: weekTimesSchema }))
    .max(LIST_MAX)
    .default([]),
  flapping: flapping.optional(),
  settle: settle.prefault({}),
});
export type Policy = z.output<typeof policySchema>;

/** As somebody writes it: a number without a unit is no duration. What was kept is read by the schema alone. */
export const policyWritten = withUnits(policySchema, new Set(['after', 'within', 'calm', 'late', 'quiet', 'longest']));
