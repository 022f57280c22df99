import { z } from 'zod';
import { durationBetween, globSchema } from '../alert/rule.ts';
import { formatDuration } from '../duration.ts';
import { NAME_PATTERN } from '../reading.ts';

/** What may be told of a window: the readings of a metric `m` become readings of `m.mean`, `m.min`, `m.max`, `m.count`. */
export const WINDOW_VALUES = ['mean', 'min', 'max', 'count'] as const;
export type WindowValue = (typeof WINDOW_VALUES)[number];

/** A shorter one would send more than it saves: each window is up to four readings. */
const EVERY_MS_MIN = 1_000;
/** Aligned to the epoch, so a day is one of UTC; a longer one would lose too much with its device. */
const EVERY_MS_MAX = 86_400_000;
/** Readings of one window that come in another order do so within moments. */
const LATE_MS_DEFAULT = 5_000;
const LATE_MS_MAX = 3_600_000;
const AT_LEAST_MS_MIN = 1_000;
/** Each series is looked up once in them, and each is counted by itself. */
const ENTRIES_MAX = 64;

const PERCENT = /^(\d+(?:\.\d+)?)\s*%$/;

/** `0.2`, in the unit of the metric, or `1%`. */
const bandSchema = z.union([
  z.number().min(0),
  z
    .string()
    .regex(PERCENT, 'a number, in the unit of the metric, or a percentage such as 1%')
    .refine((text) => percentOf(text)! <= 100, 'at most 100%'),
]);

const entrySchema = z
  .strictObject({
    sensor: globSchema.default('*'),
    metric: globSchema.default('*'),
    /** `all`: as they come. `none`: not at all. */
    mode: z.enum(['all', 'none']).optional(),
    /** Length of the windows of which is told; milliseconds after parsing. */
    every: durationBetween(EVERY_MS_MIN, EVERY_MS_MAX).optional(),
    /** Of these; default: all four. */
    values: z.array(z.enum(WINDOW_VALUES)).min(1).max(WINDOW_VALUES.length).optional(),
    /** How long a window waits for readings that come late; milliseconds after parsing. */
    late: durationBetween(0, LATE_MS_MAX).optional(),
    /** What differs by more than this from what was forwarded last. */
    onChange: bandSchema.optional(),
    /** Of a percentage: the band is no narrower than this, however near zero the values are. */
    floor: z.number().min(0).optional(),
    /** What comes so long after what was forwarded last is forwarded though it does not differ; milliseconds after parsing. */
    atLeast: durationBetween(AT_LEAST_MS_MIN).optional(),
  })
  .superRefine((entry, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const given = [entry.mode, entry.every, entry.onChange].filter((each) => each !== undefined).length;
    if (given !== 1) issue('mode', `exactly one of mode, every, onChange is needed, found ${given}`);
    if (entry.every === undefined && entry.values !== undefined) issue('values', 'only every has values');
    if (entry.every === undefined && entry.late !== undefined) issue('late', 'only every waits for late readings');
    if (entry.onChange === undefined && entry.atLeast !== undefined) issue('atLeast', 'only onChange has an atLeast');
    if (typeof entry.onChange !== 'string' && entry.floor !== undefined)
      issue('floor', 'only a percentage has a floor');
    if (new Set(entry.values).size < (entry.values?.length ?? 0)) issue('values', 'each is named once');
  });

/**
 * What a device sends to its hub, version 1 of its form. Of the entries the first that fits a series counts; what none
 * fits is forwarded as it comes.
 *
 *     every 60s        of each minute, by event time, mean, minimum, maximum and number, as readings at its end
 *     onChange 0.2     what is more than 0.2 away from what was forwarded last; or 1%
 *     mode none        nothing
 *     mode all         everything: an exception from the entries below it
 *
 * Texts and booleans have no mean: where there are windows, or a band, they are forwarded when they change.
 */
export const forwardingSchema = z.strictObject({
  name: z.string().regex(NAME_PATTERN),
  /** Defaults to the first 12 digits of the bundle's hash. */
  version: z.string().min(1).max(64).optional(),
  forward: z.array(entrySchema).min(1).max(ENTRIES_MAX),
});

/** As people write it. */
export type ForwardingInput = z.input<typeof forwardingSchema>;
/** Checked, defaults of the selectors filled in, durations in milliseconds. */
export type Forwarding = z.output<typeof forwardingSchema>;
export type ForwardingEntry = Forwarding['forward'][number];

/** What becomes of the readings of a series: an entry without its selectors, defaults filled in. */
export type ForwardingMode =
  | { kind: 'all' }
  | { kind: 'none' }
  | { kind: 'windows'; everyMs: number; lateMs: number; values: readonly WindowValue[] }
  | { kind: 'change'; band: number; percent: boolean; floor: number; atLeastMs?: number };

export function forwardingMode(entry: ForwardingEntry): ForwardingMode {
  const { mode, every, onChange } = entry;
  if (mode !== undefined) return { kind: mode };
  if (every !== undefined) {
    const values = WINDOW_VALUES.filter((value) => entry.values?.includes(value) ?? true);
    return { kind: 'windows', everyMs: every, lateMs: entry.late ?? LATE_MS_DEFAULT, values };
  }
  const percent = typeof onChange === 'string';
  const band = percent ? percentOf(onChange)! : onChange!;
  const change: ForwardingMode = { kind: 'change', band, percent, floor: entry.floor ?? 0 };
  if (entry.atLeast !== undefined) change.atLeastMs = entry.atLeast;
  return change;
}

/** One line for a person, and a label of metrics: `temperature: on change of 0.2, at least every 15m`. */
export function describeForwarding(entry: ForwardingEntry): string {
  const series = entry.sensor === '*' ? entry.metric : `${entry.sensor}/${entry.metric}`;
  const mode = forwardingMode(entry);
  if (mode.kind === 'all' || mode.kind === 'none') return `${series}: ${mode.kind}`;
  if (mode.kind === 'windows') {
    const late = entry.late === undefined ? '' : `, ${formatDuration(mode.lateMs)} late`;
    return `${series}: ${mode.values.join(', ')} every ${formatDuration(mode.everyMs)}${late}`;
  }
  const floor = entry.floor === undefined ? '' : `, ${mode.floor} or more`;
  const least = mode.atLeastMs === undefined ? '' : `, at least every ${formatDuration(mode.atLeastMs)}`;
  return `${series}: on change of ${mode.band}${mode.percent ? '%' : ''}${floor}${least}`;
}

function percentOf(text: string): number | undefined {
  const match = PERCENT.exec(text.trim());
  return match === null ? undefined : Number(match[1]);
}
