/** The keys of a rule and what each may hold, each by itself; `sense.ts` says what makes no sense together. */
import { z } from 'zod';
import { NAME_PATTERN } from '../reading.ts';
import { choice, chosen, strict } from '../strict.ts';
import { weekTimesSchema } from '../times/week-times.ts';
import { LABELS_MAX, SEVERITIES, type Severity } from './transition.ts';
import { durationSchema, globSchema, measureSchema, SAMPLES_MAX } from './words.ts';
import { ACROSS, clearSchema, comparatorShape, countShape, unitSchema, writtenSchema } from './written.ts';

export const SUBJECTS = ['series', 'sensor', 'device', 'group'] as const;

const clear = clearSchema.optional();
const treeShape = { when: writtenSchema.optional(), clearWhen: writtenSchema.optional() };
const { above, below, outside, ...newerComparators } = comparatorShape;

const rungSchema = strict({ ...comparatorShape, clear, ...treeShape, ...countShape });
export type WrittenRung = z.output<typeof rungSchema>;

const severitiesSchema = strict({
  info: rungSchema.optional(),
  warning: rungSchema.optional(),
  critical: rungSchema.optional(),
});

/** A line of text; more than that is a document, for which there is `runbook`. */
const text = (max: number) => z.string().min(1).max(max);
/** Told of every alert by the hub: a rule cannot say otherwise. */
const LABELS_TAKEN = ['alertname', 'device', 'sensor', 'metric', 'severity', 'origin', 'group'];

const labelsSchema = z.record(z.string(), z.string().max(128)).superRefine((labels, context) => {
  const names = Object.keys(labels);
  const issue = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message });
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name)) issue(name, 'a label is named by letters, digits and _');
    if (LABELS_TAKEN.includes(name)) issue(name, `the hub says ${name} of every alert: choose another name`);
  }
  if (names.length > LABELS_MAX) issue(names.at(-1)!, `at most ${LABELS_MAX} labels`);
});

/** A month: what lasts longer is no pause. */
const PAUSE_MS_MAX = 31 * 86_400_000;
const pauseSchema = durationSchema.pipe(
  z.int().min(1, '0 is no time: leave it out').max(PAUSE_MS_MAX, 'longer than 31d'),
);

/** Readings that wait are held in memory and in state: an hour of a thousand series is what that bears. */
const LATENESS_MS_MAX = 3_600_000;
/** More open episodes than that are for a machine to read, not for people. */
const OPEN_MAX = 10_000;

const timesSchema = chosen<z.output<typeof weekTimesSchema>[], TimesInput | TimesInput[]>((input) =>
  Array.isArray(input)
    ? z.array(weekTimesSchema).min(1, 'without times it is never watched: leave it out')
    : (weekTimesSchema.transform((times) => [times]) as z.ZodType<z.output<typeof weekTimesSchema>[]>),
);
type TimesInput = z.input<typeof weekTimesSchema>;

const payloadSchema = z.string().max(1_000);
const actuateSchema = strict({
  topic: z.string().regex(/^(?!\$)[^+#\0]{1,256}$/, 'no topic: 1 to 256 characters, no $ in front, no + and no #'),
  firing: payloadSchema.default('firing'),
  resolved: payloadSchema.default('resolved'),
  retain: z.boolean().default(false),
});

const clearAfterSchema = strict({ samples: z.int().min(1).max(SAMPLES_MAX) }, { example: '{ samples: 3 }' });

const NAME =
  'a name has letters a to z, digits and . _ : -, begins with a letter or a digit, and has at most 64 of them';

/** In this order a rule is written into its bundle: what is new comes last, so that what was there stays the same bytes. */
export const ruleShape = {
  name: z.string('a name is needed, such as oven-hot').regex(NAME_PATTERN, NAME),
  /** Defaults to the first 12 digits of the bundle's hash. */
  version: z.string().min(1).max(64).optional(),
  sensor: globSchema.default('*'),
  metric: globSchema.optional(),
  above,
  below,
  outside,
  clear,
  /** How long the condition must hold before it fires; milliseconds after parsing. */
  for: durationSchema.default(0),
  severity: choice(SEVERITIES).optional(),
  /** Fields in braces are filled in: `doubts.ts` has them. */
  summary: text(300).optional(),
  /** UCUM, or as people write it. Levels are in it; readings in another unit of its kind are converted. */
  unit: unitSchema.optional(),
  value: measureSchema.optional(),
  across: choice(ACROSS).optional(),
  ...newerComparators,
  ...treeShape,
  severities: severitiesSchema.optional(),
  ...countShape,
  by: choice(SUBJECTS).optional(),
  keepFiringFor: pauseSchema.optional(),
  clearAfter: clearAfterSchema.optional(),
  noRecurrence: pauseSchema.optional(),
  resolveAfter: pauseSchema.optional(),
  latch: z.boolean().optional(),
  manual: z.boolean().optional(),
  /** When it is watched at all. */
  schedule: timesSchema.optional(),
  /** When it is watched, and nobody is told. */
  maintenance: timesSchema.optional(),
  lateness: durationSchema.pipe(z.int().max(LATENESS_MS_MAX, 'longer than 1h')).optional(),
  labels: labelsSchema.optional(),
  runbook: text(500).optional(),
  description: text(1_000).optional(),
  actuate: actuateSchema.optional(),
  /** Evaluated and kept, told to nobody. */
  dryRun: z.boolean().optional(),
  /** Episodes open at once on one device; more are one that counts them. */
  limit: z.int().min(1).max(OPEN_MAX).optional(),
};

/** Keys that people of other systems look for. */
const ELSEWHERE: Record<string, string> = {
  expr: 'when',
  condition: 'when',
  threshold: 'above',
  level: 'severity',
  annotations: 'summary, description and runbook',
  greaterThan: 'above',
  lessThan: 'below',
  hysteresis: 'clear',
  duration: 'for',
  timezone: 'schedule.zone',
};

const EXAMPLE = `one rule as keys and values:
  name: oven-hot
  metric: temperature
  above: 80`;

export const writtenRuleSchema = strict(ruleShape, { elsewhere: ELSEWHERE, example: EXAMPLE });
/** As it is before what it does not say is filled in. */
export type WrittenRule = z.output<typeof writtenRuleSchema>;

export interface PlacedRung {
  severity: Severity;
  rung: WrittenRung;
  /** Where it is in the rule. */
  path: string[];
}

/** From the least severity to the greatest; a rule that is flat is one rung. */
export function rungsOf(rule: WrittenRule): PlacedRung[] {
  const { severities } = rule;
  if (severities === undefined) return [{ severity: rule.severity ?? 'warning', rung: rule, path: [] }];
  return SEVERITIES.flatMap((severity) => {
    const rung = severities[severity];
    return rung === undefined ? [] : [{ severity, rung, path: ['severities', severity] }];
  });
}
