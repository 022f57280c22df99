/** What a rule is made of at the bottom: durations, names with stars, windows, measures. */
import { z } from 'zod';
import { formatDuration, parseDuration } from '../duration.ts';
import { choice, chosen, isObject, show, strict } from '../strict.ts';

/** A duration text, or milliseconds; either way milliseconds come out. */
const DURATION = 'a duration is needed, such as 500ms, 10s, 15m, 2h or 7d';
export const durationSchema = z.union([z.int().min(0), z.string()], DURATION).transform((value, context) => {
  const ms = typeof value === 'number' ? value : parseDuration(value);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: `"${value}" is not a duration such as 500ms, 10s, 15m, 2h or 7d` });
  return z.NEVER;
});

/** A duration within bounds, ms; one that is not within them is told in units, as are they. */
export function durationBetween(minMs: number, maxMs = Number.MAX_SAFE_INTEGER) {
  const given = ({ input }: { input?: unknown }) => formatDuration(input as number);
  return durationSchema.pipe(
    z
      .int()
      .min(minMs, { error: (issue) => `${given(issue)} is too short: at least ${formatDuration(minMs)}` })
      .max(maxMs, { error: (issue) => `${given(issue)} is too long: at most ${formatDuration(maxMs)}` }),
  );
}

const ONE_NAME =
  'one name is needed, in which * stands for any characters; several go into when: { any: [ … ] }, or into rules of their own';

/** A name, in which `*` stands for any run of characters. */
export const globSchema = z
  .string(ONE_NAME)
  .regex(/^[A-Za-z0-9*._:-]{1,64}$/, 'a name, in which * stands for any characters');

/** One reading a tenth of a second is as fast as sensors of this kind go: a window below holds no more than one. */
const WINDOW_MS_MIN = 100;
/** State of a window is kept with each step: a month in parts of an hour is what that bears. */
const WINDOW_MS_MAX = 31 * 86_400_000;
/** One sample is the last reading; a thousand are 8 KB for each series. */
const SAMPLES_MIN = 2;
export const SAMPLES_MAX = 1_000;

/** `within` of what is counted, as of a window. */
export const spanSchema = durationSchema.pipe(
  z
    .int()
    .min(WINDOW_MS_MIN, `shorter than ${WINDOW_MS_MIN}ms: there would be no second reading in it`)
    .max(WINDOW_MS_MAX, 'longer than 31d, which is as far back as a rule looks'),
);

const samplesSchema = z.string().superRefine((text, context) => {
  const count = samplesIn(text)!;
  if (count >= SAMPLES_MIN && count <= SAMPLES_MAX) return;
  const message = `a window has ${SAMPLES_MIN} to ${SAMPLES_MAX} samples; for the last reading alone: value: last`;
  context.addIssue({ code: 'custom', message });
});

/** `10 samples` -> 10 */
export function samplesIn(text: unknown): number | undefined {
  const digits = typeof text === 'string' ? /^(\d{1,9}) ?samples?$/.exec(text)?.[1] : undefined;
  return digits === undefined ? undefined : Number(digits);
}

const WINDOW = 'a window is a duration (5m), a number of samples ("10 samples"), or { over: 5m, tumbling: true }';

const extentSchema = chosen<number | string, number | string>((input) =>
  samplesIn(input) === undefined ? (spanSchema as z.ZodType<number>) : samplesSchema,
);

/** Sliding, unless it says that it tumbles. */
export type WindowInput = number | string | { over: number | string; tumbling?: boolean | undefined };
export type Windowed = number | string | { over: number | string; tumbling?: boolean | undefined };

const windowSchema = chosen<Windowed, WindowInput>((input) => {
  if (isObject(input)) return strict({ over: extentSchema, tumbling: z.boolean().optional() });
  return typeof input === 'number' || typeof input === 'string' ? (extentSchema as z.ZodType<Windowed>) : WINDOW;
});

export const AGGREGATES = ['avg', 'min', 'max', 'sum', 'count', 'stddev', 'change', 'changePercent', 'rate'] as const;
const MEASURES = ['last', ...AGGREGATES, 'median', 'p95'];
const QUANTILE = /^p(\d{1,2}(?:\.\d{1,3})?)$/;

/** `p95` -> 0.95, `median` -> 0.5 */
export function quantileIn(name: string): number | undefined {
  if (name === 'median') return 0.5;
  const percent = Number(QUANTILE.exec(name)?.[1]);
  // 0.999 and not 0.9990000000000001.
  return percent > 0 ? Number((percent / 100).toPrecision(5)) : undefined;
}

export type MeasureInput = 'last' | { [measure: string]: WindowInput | undefined };
/** One measure with its window; of a rate also `per`, in ms. */
export type Measured = 'last' | { [measure: string]: Windowed };

export const measureSchema = chosen<Measured, MeasureInput>((input) => {
  if (!isObject(input)) {
    return input === 'last'
      ? z.literal('last')
      : `${show(input)} is no measure: last, or one with a window, { avg: 5m }`;
  }
  const names = Object.keys(input).filter((name) => name !== 'per');
  const [name] = names;
  if (names.length !== 1) return `exactly one measure is needed, such as { avg: 5m }, found ${names.length}`;
  if (!AGGREGATES.some((each) => each === name) && quantileIn(name!) === undefined) return unknownMeasure(name!);
  const shape = { [name!]: windowSchema };
  if (name === 'rate') return strict({ ...shape, per: perSchema.optional() }) as z.ZodType<Measured>;
  return strict(shape) as z.ZodType<Measured>;
});

const perSchema = durationSchema.pipe(z.int().min(1, 'a rate is by a time, such as 1m'));

function unknownMeasure(name: string): string {
  const parsed = choice(MEASURES).safeParse(name);
  return `${parsed.error!.issues[0]!.message}; any percentile is one, too: p99.9`;
}
