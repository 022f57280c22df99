/** Schemas of what people write: what is wrong with it is said in their words, with what they may have meant. */
import { z } from 'zod';
import { nearest } from './nearest.ts';

/**
 * An object that takes no other key, so that nothing is silently half of what was meant.
 *
 * @param elsewhere how what others call so is called here
 * @param example how it is written, for who has put something else in its place
 */
export function strict<S extends z.ZodRawShape>(
  shape: S,
  { elsewhere = {}, example }: { elsewhere?: Readonly<Record<string, string>>; example?: string } = {},
) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'invalid_type' && example !== undefined) {
        const what = issue.input === null ? 'there is nothing here' : `${show(issue.input)} does not say it`;
        return `${what}; write ${example}`;
      }
      if (issue.code !== 'unrecognized_keys') return undefined;
      const [key] = issue.keys as string[];
      return Object.hasOwn(elsewhere, key!)
        ? `there is no key "${key}"; here it is ${elsewhere[key!]}`
        : unknownKey(key!, known);
    },
  });
}

/** One of some words. */
export function choice<const W extends readonly string[]>(words: W) {
  return z.enum(words, {
    error: ({ input }) => `${show(input)} is none of ${words.join(', ')}${meant(String(input), words)}`,
  });
}

/**
 * A value that may be written in several ways. A union would say that none of them fits; this says what is wrong with the
 * one that was meant.
 *
 * @param choose the schema of that one, or what is wrong when there is none
 */
export function chosen<Out, In>(choose: (input: unknown) => z.ZodType<Out> | string) {
  return z
    .custom<In>(() => true)
    .transform((input, context): Out => {
      const schema = choose(input);
      if (typeof schema === 'string') {
        context.addIssue({ code: 'custom', message: schema });
        return z.NEVER;
      }
      const parsed = schema.safeParse(input, { error: inWords });
      if (parsed.success) return parsed.data;
      for (const issue of parsed.error.issues) {
        context.addIssue({ code: 'custom', message: issue.message, path: pathOf(issue) });
      }
      return z.NEVER;
    });
}

/** What is wrong, for somebody who knows no schemas; to be given to a schema as `error` when it parses. */
export function inWords(issue: z.core.$ZodRawIssue): string {
  const { input } = issue;
  switch (issue.code) {
    case 'invalid_type':
      if (input === undefined) return 'it is missing';
      if (typeof input === 'number' && issue.expected === 'number')
        return Number.isNaN(input) ? 'it is no number' : `${input} is no number that a sensor could say`;
      return `${show(input)} is ${wanted(issue.expected, input)}`;
    case 'invalid_value':
      return input === undefined ? 'it is missing' : `${show(input)} is ${noneOf(issue.values)}`;
    case 'invalid_format':
      return `${show(input)} is not written as it must be`;
    case 'too_small':
      return tooSmall(issue);
    case 'too_big':
      return tooBig(issue);
    case 'not_multiple_of':
      return `${show(input)} is no multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return `there is no key ${issue.keys.map(show).join(', ')}`;
    case 'invalid_key':
      return `a name in it is not as it must be${said(issue.issues[0])}`;
    case 'invalid_element':
      return `something in it is not as it must be${said(issue.issues[0])}`;
    case 'invalid_union':
      return ofUnion(issue);
    default:
      return input === undefined ? 'it is missing' : `${show(input)} is not what belongs here`;
  }
}

// The words of the library are for whoever writes schemas. What a schema says itself goes before these, and so does what is
// given where it parses. What does not have its form is not said again: it may be a key that was sent in the wrong place.
z.config({
  customError: (issue) => (issue.code === 'invalid_format' ? 'it is not written as it must be' : inWords(issue)),
});

function wanted(expected: string, input: unknown): string {
  switch (expected) {
    case 'number':
    case 'int':
      return typeof input === 'string' && input.trim() !== '' && Number.isFinite(Number(input))
        ? `a text: write ${Number(input)} without quotes`
        : expected === 'int' && typeof input === 'number'
          ? 'no whole number'
          : 'no number';
    case 'boolean':
      return 'neither true nor false';
    case 'string':
      return isObject(input) || Array.isArray(input)
        ? 'not one text'
        : `no text: write it in quotes, ${JSON.stringify(String(input))}`;
    case 'array':
      return 'no list: [ … ]';
    default:
      return 'not what belongs here, which is a list of keys and values';
  }
}

function noneOf(values: readonly unknown[]): string {
  return values.length === 1 ? `not ${show(values[0])}` : `none of ${values.map(String).join(', ')}`;
}

function tooSmall({ origin, minimum, inclusive, input }: Extract<z.core.$ZodRawIssue, { code: 'too_small' }>): string {
  if (origin === 'string') {
    const { length } = String(input);
    return length === 0 ? 'it is empty' : `it has ${length} characters; at least ${minimum} are needed`;
  }
  if (origin === 'array') return minimum === 1 ? 'the list is empty' : `the list is too short: at least ${minimum}`;
  return `${show(input)} is too little: ${inclusive === false ? 'more than' : 'at least'} ${minimum}`;
}

function tooBig({ origin, maximum, inclusive, input }: Extract<z.core.$ZodRawIssue, { code: 'too_big' }>): string {
  if (origin === 'string') return `it has ${String(input).length} characters; at most ${maximum} are taken`;
  if (origin === 'array') return `the list is too long: at most ${maximum}`;
  return `${show(input)} is too much: ${inclusive === false ? 'less than' : 'at most'} ${maximum}`;
}

/** Of the ways in which it may be written, what is wrong with the one that was meant, if only one can have been. */
function ofUnion(issue: Extract<z.core.$ZodRawIssue, { code: 'invalid_union' }>): string {
  const { errors, input, discriminator } = issue;
  if (discriminator !== undefined && 'options' in issue && Array.isArray(issue.options)) {
    const given = isObject(input) ? input[discriminator] : undefined;
    return given === undefined ? 'it is missing' : `${show(given)} is ${noneOf(issue.options)}`;
  }
  const other = ({ code, path }: z.core.$ZodIssue) =>
    path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
  const meant = errors.filter((issues) => issues.length > 0 && !issues.some(other));
  const [first] = meant.length === 1 ? meant[0]! : [];
  if (first === undefined) return input === undefined ? 'it is missing' : `${show(input)} is not what belongs here`;
  return first.path.length === 0 ? first.message : `${first.path.join('.')}: ${first.message}`;
}

function said(issue: z.core.$ZodIssue | undefined): string {
  return issue === undefined ? '' : `: ${issue.message}`;
}

/** Where it is: of a key that nobody knows, the key itself. */
export function pathOf(issue: z.core.$ZodIssue): (string | number)[] {
  const path = issue.path as (string | number)[];
  return issue.code === 'unrecognized_keys' ? [...path, issue.keys[0]!] : path;
}

export function isObject(input: unknown): input is Record<string, unknown> {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

/** As it may stand in a message. */
export function show(input: unknown): string {
  const text = JSON.stringify(input) ?? String(input);
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}
const SHOWN_CHARS_MAX = 60;

function unknownKey(key: string, known: readonly string[]): string {
  const hint = meant(key, known);
  const what = `there is no key "${key}"`;
  return hint === '' && known.length <= LISTED_MAX ? `${what}; there are ${known.join(', ')}` : `${what}${hint}`;
}
/** More than these are no help. */
const LISTED_MAX = 12;

function meant(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}
