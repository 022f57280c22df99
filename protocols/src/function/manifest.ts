import { z } from 'zod';
import { durationBetween, globSchema, type Rule, ruleSchema } from '../alert/rule.ts';
import { forwardingSchema } from '../forwarding/policy.ts';
import { NAME_PATTERN } from '../reading.ts';
import { urlPatternSchema } from './url-pattern.ts';

/** Version of the contract between function and host. */
export const FUNCTION_API = 1;

const selectorSchema = z.strictObject({ sensor: globSchema.default('*'), metric: globSchema.default('*') });

/** A sandbox that is called more often does little else. */
const EVERY_MS_MIN = 100;

const scheduleSchema = z
  .strictObject({
    name: z.string().regex(NAME_PATTERN),
    /** Milliseconds after parsing; counted from the epoch, so `1h` runs on the hour of UTC. */
    every: durationBetween(EVERY_MS_MIN).optional(),
    /** Five fields, or six with seconds first. */
    cron: z.string().min(1).max(100).optional(),
    /** IANA name in which `cron` is read; default UTC. */
    timeZone: z.string().min(1).max(64).optional(),
    /** `event`: moves with the readings alone, so that a replay runs it at the same places; default `wall`: with the clock. */
    time: z.enum(['wall', 'event']).optional(),
  })
  .refine(
    ({ every, cron }) => (every === undefined) !== (cron === undefined),
    'exactly one of every and cron is needed',
  );
export type Schedule = z.infer<typeof scheduleSchema>;

/** Which states a function has: one in all, one for each device, or one for each series of a device. */
export const STATE_KEYS = ['function', 'device', 'series'] as const;
export type StateKey = (typeof STATE_KEYS)[number];

/** What a function may define, beside its first state. `timers` stands for all handlers of timers. */
export const HANDLERS = [
  'start',
  'reading',
  'readings',
  'schedule',
  'timers',
  'command',
  'alert',
  'response',
  'online',
  'offline',
] as const;
export type Handler = (typeof HANDLERS)[number];

/** Retries hold up the readings behind: 5 of at most 500 ms, doubled each time, are 15.5 s. */
const RETRIES_MAX = 5;
const BACKOFF_MS_MAX = 500;

/**
 * What becomes of input that a function throws on:
 *
 *     skip    it is left out, and kept as a dead letter
 *     retry   the step is run again so many times, after `backoff`, doubled each time; then as with skip
 *     stop    the whole step is undone and kept as a dead letter, and the function is stopped
 */
const onErrorSchema = z.union([
  z.enum(['skip', 'stop']),
  z.strictObject({
    retry: z.int().min(1).max(RETRIES_MAX),
    backoff: durationBetween(0, BACKOFF_MS_MAX).default(100),
  }),
]);
export type OnError = z.infer<typeof onErrorSchema>;

/** What a host needs to know of a function without running it. */
export const manifestSchema = z.strictObject({
  name: z.string().regex(NAME_PATTERN),
  version: z.string().min(1).max(64),
  api: z.literal(FUNCTION_API),
  /** Readings it gets: any that match one of these. Empty: all. */
  inputs: z.array(selectorSchema).max(32),
  /** Readings it may emit. Other functions get them as inputs; empty: whatever it emits goes to rules and the hub only. */
  outputs: z.array(selectorSchema).max(32).default([]),
  handlers: z.array(z.enum(HANDLERS)).max(HANDLERS.length),
  schedules: z.array(scheduleSchema).max(16),
  key: z.enum(STATE_KEYS).default('device'),
  onError: onErrorSchema.default('skip'),
  /** Where it sends HTTP requests, e.g. `https://api.example.com/v1/*`; the host must allow it as well. */
  requests: z.array(urlPatternSchema).max(16).default([]),
  /** Secrets that it names in requests, and where each may go. Absent: none. */
  secrets: z.record(z.string().regex(NAME_PATTERN), z.array(urlPatternSchema).min(1).max(8)).optional(),
  /** Wall time of one step; over it the isolate is disposed. */
  timeoutMs: z.int().min(10).max(5_000),
  memoryMb: z.int().min(8).max(512),
  /** Judges what it emits: its verdicts, as readings. Absent: it is no condition of a rule. */
  rule: ruleSchema.optional(),
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
  z.strictObject({ weir: z.literal(1), kind: z.literal('forwarding'), forwarding: forwardingSchema }),
]);
export type Bundle = z.infer<typeof bundleSchema>;
export const BUNDLE_KINDS = ['function', 'rule', 'forwarding'] as const satisfies readonly Bundle['kind'][];
export type BundleKind = (typeof BUNDLE_KINDS)[number];

/** The rule that a bundle is, or has for what its function says. */
export function ruleIn(bundle: Bundle): Rule | undefined {
  if (bundle.kind === 'function') return bundle.manifest.rule;
  return bundle.kind === 'rule' ? bundle.rule : undefined;
}

/** What a bundle is called, by its own word. @param hash of its bytes: the version of what does not say one */
export function bundleIdentity(bundle: Bundle, hash: string): { kind: BundleKind; name: string; version: string } {
  const { kind } = bundle;
  if (kind === 'function') return { kind, name: bundle.manifest.name, version: bundle.manifest.version };
  const { name, version } = kind === 'rule' ? bundle.rule : bundle.forwarding;
  return { kind, name, version: version ?? hash.slice(0, 12) };
}

/** 1 MiB: fetched whole over a slow link, and compiled on a small device. */
export const BUNDLE_BYTES_MAX = 1_048_576;

export const HASH_PATTERN = /^[0-9a-f]{64}$/;
