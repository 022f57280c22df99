/**
 * Conditions as people write them: one comparison, flat, or a tree of several.
 *
 *     { above: 80 }                                  of the rule's own signal
 *     { sensor: door, metric: open, equals: true }   of another
 *     { all: [ … ] }  { any: [ … ] }  { atLeast: 2, of: [ … ] }
 *
 * What is parsed is what was written, with durations in milliseconds.
 */
import { z } from 'zod';
import { isLabel, NAME_PATTERN, TEXT_BYTES_MAX } from '../reading.ts';
import { choice, chosen, isObject, show, strict } from '../strict.ts';
import {
  durationSchema,
  globSchema,
  type Measured,
  type MeasureInput,
  measureSchema,
  SAMPLES_MAX,
  spanSchema,
} from './words.ts';

export const ACROSS = ['mean', 'min', 'max', 'sum', 'count'] as const;

const signalShape = {
  sensor: globSchema.optional(),
  metric: globSchema.optional(),
  value: measureSchema.optional(),
  across: choice(ACROSS).optional(),
};

export type TagLevel = { tag: string; default?: number | undefined };
export interface SignalLevel<M> {
  sensor?: string | undefined;
  metric: string;
  value?: M | undefined;
  across?: (typeof ACROSS)[number] | undefined;
  times?: number | undefined;
  plus?: number | undefined;
}
/** A number, or where it is to be found: a tag of the device, another signal. */
export type LevelInput = number | TagLevel | SignalLevel<MeasureInput>;
export type Levelled = number | TagLevel | SignalLevel<Measured>;

const tagLevelSchema = strict({
  tag: z.string().regex(NAME_PATTERN, 'no name of a tag'),
  default: z.number().optional(),
});
const signalLevelSchema = strict({
  ...signalShape,
  metric: globSchema,
  times: z.number().optional(),
  plus: z.number().optional(),
});
const LEVEL = 'a level is a number, { tag: max-temp, default: 80 }, or { metric: setpoint, plus: 5 }';

function levelFrom(input: unknown): z.ZodType<Levelled> | string {
  if (typeof input === 'number') return z.number();
  if (!isObject(input)) return `${show(input)} is no level: ${numberMeant(input) ?? LEVEL}`;
  if ('tag' in input) return tagLevelSchema;
  if ('metric' in input) return signalLevelSchema;
  return COMPARATORS.some((key) => key in input) ? `${LEVEL}; a condition of its own goes into clearWhen` : LEVEL;
}

/** `"80"`, `80,5`, `80 °C` */
function numberMeant(input: unknown): string | undefined {
  const [, digits, rest = ''] =
    typeof input === 'string' ? (/^\s*([+-]?\d+(?:[.,]\d+)?)\s*(\D*)$/.exec(input) ?? []) : [];
  if (digits === undefined) return undefined;
  const number = digits.replace(',', '.');
  if (rest.trim() === '') return `write ${number}, ${digits === number ? 'without quotes' : 'with a point'}`;
  const unit = rest.trim();
  return unit === '%' ? undefined : `write ${number}, and unit: ${JSON.stringify(DEGREES[unit] ?? unit)} beside it`;
}
/** Alone these are coulombs and farads. */
const DEGREES: Record<string, string> = { C: 'Cel', F: '[degF]' };
const levelSchema = chosen<Levelled, LevelInput>(levelFrom);
const sameSchema = chosen<Levelled | boolean | string, LevelInput | boolean | string>((input) => {
  if (typeof input === 'boolean') return z.boolean();
  return typeof input === 'string' ? z.string().max(TEXT_BYTES_MAX) : levelFrom(input);
});
const rangeSchema = z.tuple([levelSchema, levelSchema], { error: 'two levels are needed, the lower first: [2, 8]' });

const AMOUNT = 'an amount is a number above 0 in the unit of the rule, or a share such as "20%"';
export const changeSchema = strict(
  {
    amount: z.union(
      [
        z.number().positive(AMOUNT),
        z
          .string()
          .regex(/^\d+(\.\d+)?%$/, AMOUNT)
          .refine((text) => Number.parseFloat(text) > 0, AMOUNT),
      ],
      AMOUNT,
    ),
    within: spanSchema,
    direction: choice(['up', 'down', 'either']).default('either'),
  },
  { example: '{ amount: 5, within: 10m }' },
);

export const SENSITIVITIES = ['low', 'medium', 'high'] as const;
const HOUR_MS = 3_600_000;
const adaptiveSchema = strict({
  direction: choice(['above', 'below', 'both']).default('both'),
  sensitivity: choice(SENSITIVITIES).default('medium'),
  learn: durationSchema
    .pipe(z.int().min(HOUR_MS, 'less than 1h is too short to learn what is usual'))
    .default(3 * 86_400_000),
  seasons: z
    .array(choice(['day', 'week']))
    .max(2)
    .default(['day', 'week']),
});
const adaptiveFormSchema = chosen<z.output<typeof adaptiveSchema>, true | z.input<typeof adaptiveSchema>>((input) => {
  if (input === true) return z.literal(true).transform(() => adaptiveSchema.parse({}));
  return isObject(input) ? adaptiveSchema : 'adaptive: true, or { sensitivity: high, direction: above, learn: 3d }';
});

export const COMPARATORS = [
  'above',
  'atLeast',
  'below',
  'atMost',
  'equals',
  'notEquals',
  'outside',
  'inside',
  'changesBy',
  'silentFor',
  'adaptive',
] as const;
export type Comparator = (typeof COMPARATORS)[number];

export const comparatorShape = {
  above: levelSchema.optional(),
  atLeast: levelSchema.optional(),
  below: levelSchema.optional(),
  atMost: levelSchema.optional(),
  equals: sameSchema.optional(),
  notEquals: sameSchema.optional(),
  outside: rangeSchema.optional(),
  inside: rangeSchema.optional(),
  changesBy: changeSchema.optional(),
  silentFor: durationSchema.pipe(z.int().min(1_000, 'less than 1s is not silence')).optional(),
  adaptive: adaptiveFormSchema.optional(),
} satisfies Record<Comparator, z.ZodType>;
export type Comparing = z.output<z.ZodObject<typeof comparatorShape>>;

export const clearSchema = chosen<Levelled | [Levelled, Levelled], LevelInput | [LevelInput, LevelInput]>((input) =>
  Array.isArray(input) ? (rangeSchema as z.ZodType<[Levelled, Levelled]>) : levelFrom(input),
);

/** How often it must hold: 3 of the last 5 samples; 3 times within 10 minutes; 3 samples in a row. */
const matchesSchema = strict(
  {
    times: z.int().min(1).max(SAMPLES_MAX),
    of: z.int().min(1).max(SAMPLES_MAX).optional(),
    within: spanSchema.optional(),
  },
  { example: '{ times: 3, of: 5 }, { times: 3, within: 10m }, or { times: 3 } for three in a row' },
).superRefine(({ times, of, within }, context) => {
  const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  if (of !== undefined && within !== undefined) issue('within', 'of counts samples, within counts in a time: give one');
  if (of !== undefined && of < times) issue('of', `${times} of ${of} is more than there are`);
});

/** In so many of the series (of a group: devices), or in such a share of them. */
const inAtLeastSchema = chosen<number | string, number | string>((input) => {
  if (typeof input === 'number') return z.int().min(1);
  return typeof input === 'string' && Number(SHARE.exec(input)?.[1]) > 0 && Number(SHARE.exec(input)![1]) <= 100
    ? z.string()
    : `${show(input)} is no count such as 2 and no share such as "50%"`;
});
const SHARE = /^(\d+(?:\.\d+)?)%$/;

/** How a condition is counted. */
export const countShape = {
  inAtLeast: inAtLeastSchema.optional(),
  matches: matchesSchema.optional(),
};
export type Counting = z.output<z.ZodObject<typeof countShape>>;

export const unitSchema = z.string().refine(isLabel, 'no unit: at most 32 bytes');

/** How others put conditions together. */
const TOGETHER = {
  and: 'all',
  or: 'any',
  allOf: 'all',
  anyOf: 'any',
  not: 'the opposite comparison, e.g. below for above',
};
const leafSchema = strict(
  { ...signalShape, unit: unitSchema.optional(), ...comparatorShape, ...countShape },
  { elsewhere: TOGETHER },
);
export type Leaf = z.output<typeof leafSchema>;
export type LeafInput = z.input<typeof leafSchema>;

export interface Several extends Counting {
  all?: Written[] | undefined;
  any?: Written[] | undefined;
  atLeast?: number | undefined;
  of?: Written[] | undefined;
}
export type Written = Leaf | Several;
export type WrittenInput =
  | LeafInput
  | (z.input<z.ZodObject<typeof countShape>> &
      ({ all: WrittenInput[] } | { any: WrittenInput[] } | { atLeast: number; of: WrittenInput[] }));

/** A tree that is deeper or wider is a program: that is what functions are for. */
const DEPTH_MAX = 6;
export const CONDITIONS_MAX = 64;

/** One condition, or a tree of them. */
export const writtenSchema: z.ZodType<Written, WrittenInput> = chosen<Written, WrittenInput>((input) => {
  if (!isObject(input)) return `${show(input)} is no condition: { above: 80 }, { all: [ … ] }, { any: [ … ] }`;
  if (isDeeper(input, DEPTH_MAX)) return `a tree of more than ${DEPTH_MAX} levels is a program: write a function`;
  if ('all' in input) return severalSchema('all') as z.ZodType<Written>;
  if ('any' in input) return severalSchema('any') as z.ZodType<Written>;
  return 'of' in input
    ? (strict({ atLeast: z.int().min(1), of: listOf('of'), ...countShape }) as z.ZodType<Written>)
    : (leafSchema as z.ZodType<Written>);
});

/** Before anything goes through it: what is nested a thousand times has no end for a stack. */
function isDeeper(input: unknown, levels: number): boolean {
  if (!isObject(input)) return false;
  if (levels === 0) return true;
  const lists = [input.all, input.any, input.of].filter(Array.isArray);
  return lists.some((list) => list.some((each) => isDeeper(each, levels - 1)));
}

function severalSchema(key: 'all' | 'any') {
  return strict({ [key]: listOf(key), ...countShape });
}

function listOf(key: string) {
  return z
    .array(z.lazy(() => writtenSchema))
    .min(1, `${key} of nothing`)
    .max(CONDITIONS_MAX);
}

export function isSeveral(written: Written): written is Several {
  return 'all' in written || 'any' in written || 'of' in written;
}

/** @returns the conditions, and how many of them must hold */
export function partsOf({ all, any, of, atLeast }: Several): { parts: Written[]; atLeast: number } {
  if (all !== undefined) return { parts: all, atLeast: all.length };
  return any !== undefined ? { parts: any, atLeast: 1 } : { parts: of!, atLeast: atLeast! };
}

/** Which comparators are there. */
export function comparatorsIn(comparing: Comparing): Comparator[] {
  return COMPARATORS.filter((key) => comparing[key] !== undefined);
}
