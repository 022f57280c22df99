/**
 * Input that a function could not take, as the agent tells the hub of it. The device keeps all of the input and runs it
 * again when it is told to; what travels is as much of it as a report holds, to be looked at.
 */
import { z } from 'zod';
import { HASH_PATTERN } from '../function/manifest.ts';
import { isLabel, isValue, NAME_PATTERN, type Reading, TS_MAX } from '../reading.ts';

/** How a step of user code ends that does not end well, or a request of it; a closed list. */
export const FAULT_KINDS = ['threw', 'timed-out', 'out-of-memory', 'crashed', 'unanswered'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** What else than readings may be in a letter: the handler that could not take it; `request`: what nobody answered. */
export const LETTER_HANDLERS = ['command', 'alert', 'response', 'online', 'offline', 'request'] as const;

/** Why a device keeps a letter no longer; a closed list. `unknown`: it was asked for one that it does not have. */
export const LETTER_ENDS = ['replayed', 'removed', 'dropped', 'unknown'] as const;
export type LetterEnd = (typeof LETTER_ENDS)[number];

const ts = z.int().min(0).max(TS_MAX);
/** `<function>:<position>` of the input; unique on the device. */
const letterId = z.string().min(1).max(256);

const readingSchema = z.object({
  sensor: z.string().regex(NAME_PATTERN),
  metric: z.string().regex(NAME_PATTERN),
  value: z.custom<Reading['value']>(isValue, 'no value'),
  ts,
  unit: z.custom<string>(isLabel, 'no unit').exactOptional(),
  quality: z.custom<string>(isLabel, 'no quality').exactOptional(),
});

const inputSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('readings'),
    count: z.int().min(1),
    /** The first of them; the rest is on the device. */
    readings: z.array(readingSchema),
  }),
  z.object({
    kind: z.literal('event'),
    handler: z.enum(LETTER_HANDLERS),
    at: ts,
    /** JSON text; absent: it is on the device. */
    value: z.string().exactOptional(),
  }),
]);

export const deadLetterSchema = z.object({
  type: z.literal('dead-letter'),
  id: letterId,
  /** Arrival of the input at the device. */
  ts,
  function: z.string().regex(NAME_PATTERN),
  version: z.string().min(1).max(64),
  hash: z.string().regex(HASH_PATTERN),
  /** How often it was run again; the same letter is told again when it failed again. */
  replays: z.int().min(0),
  fault: z.object({
    kind: z.enum(FAULT_KINDS),
    message: z.string().max(1_000),
    /** In what the user wrote. */
    place: z.string().max(500).optional(),
    stack: z.string().max(4_000),
  }),
  input: inputSchema,
});
export type DeadLetterReport = z.infer<typeof deadLetterSchema>;

export const deadLetterGoneSchema = z.object({
  type: z.literal('dead-letter-gone'),
  id: letterId,
  ts,
  reason: z.enum(LETTER_ENDS),
});

export const deadLetterKeptSchema = z.object({
  type: z.literal('dead-letter-kept'),
  id: letterId,
  ts,
  /** Why it was not run again, and what to do, for a person. */
  detail: z.string().max(500),
});
