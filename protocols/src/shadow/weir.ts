import { z } from 'zod';
import { BUNDLE_KINDS, HASH_PATTERN } from '../function/manifest.ts';
import { NAME_PATTERN } from '../reading.ts';

const wantedVersion = {
  version: z.string().min(1).max(64),
  /** SHA-256 of the bundle, under which it is fetched. */
  hash: z.string().regex(HASH_PATTERN),
  /** Size of the bundle; a longer download is aborted. */
  bytes: z.int().min(1),
  config: z.record(z.string(), z.json()).optional(),
};

/**
 * The green version beside the blue: it gets the same input and has a state of its own, and what it makes is counted,
 * compared and thrown away. It takes over, with its state, when it becomes what is wanted.
 */
export const wantedCandidateSchema = z.object(wantedVersion);
export type WantedCandidate = z.infer<typeof wantedCandidateSchema>;

/** What the hub wants on a device; the `desired` section of the shadow `weir`. Small: AWS allows 8 KB in all. */
export const wantedDeploymentSchema = z.object({
  kind: z.enum(BUNDLE_KINDS),
  ...wantedVersion,
  candidate: wantedCandidateSchema.optional(),
});
export type WantedDeployment = z.infer<typeof wantedDeploymentSchema>;

export const weirDesiredSchema = z.object({
  /** That there is a statement to fetch, and by which root file. Absent: the hub has no root file. */
  statement: z.object({ sequence: z.int(), root: z.int() }).optional(),
  deployments: z.record(z.string().regex(NAME_PATTERN), wantedDeploymentSchema).optional(),
  /** Which secrets there are for the device; they are fetched over HTTPS. Absent: none. */
  secrets: z.object({ revision: z.string().regex(HASH_PATTERN) }).optional(),
});
export type WeirDesired = z.infer<typeof weirDesiredSchema>;

/**
 *     fetching     wanted, not here yet
 *     staged       its bundle is here, whole and on the disk
 *     starting     tried beside what runs: can it be loaded, and does it take what comes?
 *     running      is what runs; `proven` once it has run well for a while
 *     failed       cannot be fetched, verified or started; `reason` says why
 *     quarantined  ran, misbehaved again and again, stopped; its neighbours go on
 */
export const DEPLOYMENT_STATES = ['fetching', 'staged', 'starting', 'running', 'failed', 'quarantined'] as const;
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];

/** Whether it is still on its way: what becomes of it is not known yet. */
export function isUnderWay(state: string): boolean {
  return state === 'fetching' || state === 'staged' || state === 'starting';
}

const ofBoth = z.object({ blue: z.number().min(0), green: z.number().min(0) });

/** How a candidate is doing beside what runs, since `since`. */
export const reportedCandidateSchema = z.object({
  version: z.string(),
  hash: z.string(),
  /** As in {@link reportedDeploymentSchema}. */
  config: z.string().optional(),
  state: z.enum(DEPLOYMENT_STATES),
  reason: z.string().max(300).optional(),
  /** ms since epoch; undefined: it does not run yet */
  since: z.int().optional(),
  /** Inputs that both were given; of these, those of which they made different things. */
  steps: z.int().min(0),
  differ: z.int().min(0),
  /** The first difference, for a person to read. */
  example: z.string().max(200).optional(),
  /** Steps that failed. */
  errors: ofBoth,
  /** Readings, alerts, publishes, requests and commands. */
  outputs: ofBoth,
  /** Time on a processor, ms. */
  cpuMs: ofBoth,
});
export type ReportedCandidate = z.infer<typeof reportedCandidateSchema>;

export const reportedDeploymentSchema = z.object({
  kind: z.enum(BUNDLE_KINDS),
  version: z.string(),
  hash: z.string(),
  /** Which configuration, by {@link configDigest}; undefined: none. The same hash runs with one, then with another. */
  config: z.string().optional(),
  state: z.enum(DEPLOYMENT_STATES),
  reason: z.string().max(300).optional(),
  /** Why it may not run, where it is not signed as it has to be: a code of `trust/refusal.ts`. */
  code: z.string().max(40).optional(),
  /** It has run well for a while: it is what to go back to. */
  proven: z.boolean().optional(),
  /** Failed steps since it was started. */
  errors: z.int().min(0).optional(),
  /** Of a forwarding policy: readings that it took, and readings that went to the hub for them. */
  forwarding: z.object({ taken: z.int().min(0), sent: z.int().min(0) }).optional(),
  /** What runs in the place of a version that failed; undefined: nothing does. */
  running: z.object({ version: z.string(), hash: z.string() }).optional(),
  /** What is tried beside it. */
  candidate: reportedCandidateSchema.optional(),
});
export type ReportedDeployment = z.infer<typeof reportedDeploymentSchema>;

const bytes = z.int().min(0);

/** What runs and how it is doing; the `reported` section. A deployment that is gone is reported as null. */
export const weirReportedSchema = z.object({
  agent: z.object({ version: z.string(), startedAt: z.int() }).optional(),
  deployments: z.record(z.string(), reportedDeploymentSchema).optional(),
  /** The secrets that are here. */
  secrets: z.object({ revision: z.string() }).optional(),
  /** Absent: this device has no root file. */
  trust: z
    .object({
      /** Version of the root file; absent: there is none, and so nothing is taken. */
      root: z.int().optional(),
      /** Number of the last statement that was taken; 0: none. */
      sequence: z.int(),
      /** Why the hub's last word was not taken: a code of `trust/refusal.ts`. Absent: it was. */
      refused: z.string().max(40).optional(),
    })
    .optional(),
  health: z
    .object({
      /** Readings accepted, and payloads refused by reason, since the agent's data folder was made. */
      accepted: z.int(),
      refused: z.record(z.string(), z.int()),
      /** Items waiting for the uplink, and items dropped at a limit. */
      waiting: z.int(),
      dropped: z.int(),
      /** Absent: the disk is as it should be. */
      storage: z
        .object({
          state: z.enum(['ok', 'full', 'read-only', 'failing']),
          /** ms since epoch */
          since: z.int(),
          /** When a damaged database was replaced, and what was lost with it: items for the hub, told as gaps, … */
          restoredAt: z.int().optional(),
          lostItems: z.int().optional(),
          /** … and groups of readings that had no numbers yet. */
          lostGroups: z.int().optional(),
          /** What is lost could not be counted: it is more, or all of it, where there are no numbers. */
          uncounted: z.boolean().optional(),
        })
        .optional(),
      /** What the device knows of the time. */
      clock: z
        .object({
          certainty: z.enum(['synchronised', 'assumed', 'unsynchronised']),
          source: z.enum(['ntp', 'hub', 'wall', 'floor']),
          /** Seconds by which the machine's own clock is ahead of that by which the device goes. */
          wallAhead: z.int(),
          /** Seconds by which the device is ahead of the hub. */
          hubAhead: z.int(),
        })
        .optional(),
      /** Of the data folder's file system; bytes, told anew when it has moved by a fiftieth. */
      disk: z.object({ free: bytes, total: bytes }).optional(),
      /** Bytes. `agent` and `sandbox`: what they take; `free`: what the machine could give. */
      memory: z.object({ agent: bytes, sandbox: bytes, free: bytes, total: bytes }).optional(),
      /** What waits for longer than a minute; absent: nothing does. */
      buffer: z
        .object({
          bytes,
          /** When the oldest entered, ms since epoch. */
          oldestAt: z.int().optional(),
          /** Until it is sent, as it goes now; absent: it does not get less. */
          drainSeconds: z.int().optional(),
        })
        .optional(),
      /** ms since epoch */
      certificate: z.object({ validTo: z.int() }).optional(),
      /** The agent goes on, and yet this gets nothing done. */
      stuck: z.object({ what: z.enum(['database', 'functions']), since: z.int() }).optional(),
    })
    .optional(),
});
export type WeirReported = z.infer<typeof weirReportedSchema>;
