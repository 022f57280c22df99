/** Schemas of what people write: what is wrong with it is said in their words, with what they may have meant. */
import { z } from 'zod';
import { nearest } from './nearest.ts';

/**
 * An object that takes no other key, so that nothing is silently half of what was meant.
 *
 * @param elsewhere how what others call so is called here
 */
export function strict<S extends z.ZodRawShape>(shape: S, elsewhere: Readonly<Record<string, string>> = {}) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
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
      const parsed = schema.safeParse(input);
      if (parsed.success) return parsed.data;
      for (const issue of parsed.error.issues) {
        context.addIssue({ code: 'custom', message: issue.message, path: pathOf(issue) });
      }
      return z.NEVER;
    });
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
