import { z } from 'zod';
import { durationSchema, globSchema, ruleSchema } from '../alert/rule.ts';
import { NAME_PATTERN } from '../reading.ts';

/** Version of the contract between function and host. */
export const FUNCTION_API = 1;

const selectorSchema = z.strictObject({ sensor: globSchema.default('*'), metric: globSchema.default('*') });

const scheduleSchema = z
  .strictObject({
    name: z.string().regex(NAME_PATTERN),
    /** Milliseconds after parsing; counted from the epoch, so `1h` runs on the hour of UTC. */
    every: durationSchema.pipe(z.int().min(100)).optional(),
    /** Five fields, or six with seconds first. */
    cron: z.string().min(1).max(100).optional(),
    /** IANA name in which `cron` is read; default UTC. */
    timeZone: z.string().min(1).max(64).optional(),
  })
  .refine(
    ({ every, cron }) => (every === undefined) !== (cron === undefined),
    'exactly one of every and cron is needed',
  );
export type Schedule = z.infer<typeof scheduleSchema>;

/** What a host needs to know of a function without running it. */
export const manifestSchema = z.strictObject({
  name: z.string().regex(NAME_PATTERN),
  version: z.string().min(1).max(64),
  api: z.literal(FUNCTION_API),
  /** Readings it gets: any that match one of these. Empty: all. */
  inputs: z.array(selectorSchema).max(32),
  /** Readings it may emit. Other functions get them as inputs; empty: whatever it emits goes to rules and the hub only. */
  outputs: z.array(selectorSchema).max(32).default([]),
  handlers: z.array(z.enum(['reading', 'readings', 'schedule'])).max(3),
  schedules: z.array(scheduleSchema).max(16),
  /** Wall time of one step; over it the isolate is disposed. */
  timeoutMs: z.int().min(10).max(5_000),
  memoryMb: z.int().min(8).max(512),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** A bundle's bytes are the JSON of this; its identity is their SHA-256. */
export const bundleSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    weir: z.literal(1),
    kind: z.literal('function'),
    manifest: manifestSchema,
    /** One self-contained script that leaves the definition in `globalThis.__weirDefinition`. */
    code: z.string().min(1),
    sourceMap: z.string().optional(),
  }),
  z.strictObject({ weir: z.literal(1), kind: z.literal('rule'), rule: ruleSchema }),
]);
export type Bundle = z.infer<typeof bundleSchema>;
export type BundleKind = Bundle['kind'];

/** 1 MiB: fetched whole over a slow link, and compiled on a small device. */
export const BUNDLE_BYTES_MAX = 1_048_576;

export const HASH_PATTERN = /^[0-9a-f]{64}$/;
