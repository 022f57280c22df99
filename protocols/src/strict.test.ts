import { expect, test } from 'vitest';
import { z } from 'zod';
import { durationSchema } from './index.ts';

const number = z.coerce.number().int().min(1).max(9);

/** By no error map of its own: as whatever schema is anywhere in the program. */
test.each<[z.ZodType, unknown, string]>([
  [number, '0', '0 is too little: at least 1'],
  [number, '10', '10 is too much: at most 9'],
  [number, '1.5', '1.5 is no whole number'],
  [number, 'many', 'it is no number'],
  [z.number().multipleOf(5), 7, '7 is no multiple of 5'],
  [z.string(), undefined, 'it is missing'],
  [z.string(), 5, '5 is no text: write it in quotes, "5"'],
  [z.string().min(1), '', 'it is empty'],
  [z.string().min(8), 'short', 'it has 5 characters; at least 8 are needed'],
  [z.string().max(3), 'long', 'it has 4 characters; at most 3 are taken'],
  [z.string().regex(/^[a-z]+$/), 'SECRET-KEY', 'it is not written as it must be'],
  [z.array(z.string()).min(1), [], 'the list is empty'],
  [z.array(z.string()).max(1), ['a', 'b'], 'the list is too long: at most 1'],
  [z.enum(['on', 'off']), 'maybe', '"maybe" is none of on, off'],
  [z.enum(['on', 'off']), undefined, 'it is missing'],
  [z.literal(1), 2, '2 is not 1'],
  [z.strictObject({ a: z.string() }), { a: 'x', b: 1, c: 2 }, 'there is no key "b", "c"'],
  [z.object({}), 'text', '"text" is not what belongs here, which is a list of keys and values'],
  [z.union([z.literal('off'), durationSchema]), 'soon', '"soon" is not a duration'],
  [z.union([z.literal('off'), z.int().min(5)]), 3, '3 is too little: at least 5'],
  [z.union([z.string(), z.number()]), true, 'true is not what belongs here'],
  [z.union([z.string(), z.number()]), undefined, 'it is missing'],
  [
    z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') }), z.object({ kind: z.literal('b') })]),
    { kind: 'c' },
    '"c" is none of a, b',
  ],
  [z.record(z.string().max(2), z.string()), { long: 'x' }, 'a name in it is not as it must be: it has 4 characters'],
  [z.date(), 'x', '"x" is not what belongs here'],
])('%# what is wrong is never said in the words of the library of schemas', (schema, input, words) => {
  const message = schema.safeParse(input).error!.issues[0]!.message;
  expect(message).toContain(words);
  expect(message).not.toMatch(/Invalid|expected|received|Too (small|big)|Unrecognized/);
});
