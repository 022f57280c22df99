/**
 * A rollout: how a deployment comes to the devices of a group, a wave at a time. README.md is the specification.
 *
 *     deploy --waves 1,10%,100%
 *        |
 *        v      admit        all that can be reached run it     soak        …         all run it
 *     scheduled ------> admitting -----------------------> soaking ----> admitting ------> done: it stands in the group
 *                            \                                 \
 *                             `---- too many fail, or abort ----`--> aborting --> aborted: the last good stands
 *
 * What stands in a group is its deployment; a rollout only says which devices have the next one already. So no device
 * ever has to be told its way: each converges on what is wanted of it now.
 */
import type { DeploymentRecord } from '../fleet.ts';

/** Devices: so many, or so many of a hundred. */
export type Amount = { count: number } | { percent: number };

export interface RolloutOptions {
  /** Rising; the last one is all. */
  waves: Amount[];
  /** How long a wave runs it before the next begins. */
  soakMs: number;
  /** Devices that get it in a minute; undefined: as fast as it goes. */
  perMinute?: number;
  /** So many failed devices end it; undefined: none do. */
  abortAt?: Amount;
  /** Of the planned devices of a wave so many of a hundred must have said how it goes; one must in any case. */
  minReportPercent: number;
  /** When devices may get it, in their own time: `Mon-Fri 02:00-04:00`. */
  window?: string;
  /** Of devices without a tag `tz`. */
  zone: string;
  /** ms since epoch */
  notBefore?: number;
  /** A device that runs it and is not heard of for so long has failed; undefined: it is taken as asleep. */
  heartbeatMs?: number;
  /** A device that is connected and has not taken it for so long has failed. */
  takeWithinMs: number;
  /** Failed steps of one device in a minute, over which it has failed. */
  errorsPerMinuteMax?: number;
  /** It runs beside what stands until the soak is over, and then takes its place: by itself, or when asked. */
  blueGreen?: 'automatic' | 'asked';
}

/**
 *     scheduled    waits for its time
 *     watching     everybody has it at once; whether it does well is only looked at
 *     admitting    the wave is let in, and takes it
 *     soaking      the wave runs it for a while
 *     switching    blue/green: what ran beside takes its place
 *     paused       nobody else is let in
 *     aborting     everybody goes back to the last good one
 *     aborted      all that can be reached have gone back
 *     done         it stands in the group
 *     superseded   a newer deployment of the same name has taken over
 */
export const PHASES = [
  'scheduled',
  'watching',
  'admitting',
  'soaking',
  'switching',
  'paused',
  'aborting',
  'aborted',
  'done',
  'superseded',
] as const;
export type Phase = (typeof PHASES)[number];

/** In these something can still happen. */
export function isOpen({ phase }: Pick<Rollout, 'phase'>): boolean {
  return phase !== 'aborted' && phase !== 'done' && phase !== 'superseded';
}

/** In these each device has what its admission says. */
export function isCarried({ phase, atOnce }: Pick<Rollout, 'phase' | 'atOnce'>): boolean {
  return !atOnce && isOpen({ phase }) && phase !== 'aborting';
}

export interface Told {
  at: number;
  text: string;
}

export interface FailedDevice {
  device: string;
  reason: string;
}

export interface Rollout {
  /** Its deployment's `order`: no two of the fleet have the same, and a newer one has a higher. */
  order: number;
  target: DeploymentRecord;
  options: RolloutOptions;
  /** Without waves: it stands already, and a device where it fails goes on with the last good one by itself. */
  atOnce: boolean;
  phase: Phase;
  /** Where it goes on after a pause. */
  pausedIn?: Phase;
  createdAt: number;
  endedAt?: number;
  /** From 0. */
  wave: number;
  /** Of the group when the first wave began, by which shares are counted; 0: it has not begun. */
  members: number;
  /** Never more than the wave allows. */
  admitted: number;
  /** Of these, before this wave. */
  admittedBefore: number;
  /** Waves whose devices have switched from blue to green. */
  switched: number;
  /** By an operator, for this wave. */
  switchAsked?: true;
  soakUntil?: number;
  /** With a rate: up to when it is used up, ms since epoch. */
  rateAt?: number;
  /** What an abort goes back to; undefined: to what stands, or to nothing. */
  lastGood?: DeploymentRecord;
  /** Of superseded rollouts, oldest first: devices that run one of these keep it until they are let in here. */
  earlier: DeploymentRecord[];
  /** Why it was aborted, for people. */
  why?: string;
  failures: FailedDevice[];
  /** As they were at its end. */
  counts?: Counts;
  /** What happened, in words, oldest first. */
  told: Told[];
  /** Its admissions are gone from the store. */
  swept?: true;
}

/** What a device says of the version that is rolled out. */
export type DeviceReport =
  | { kind: 'none' }
  | { kind: 'taking' }
  | { kind: 'running'; errors: number }
  | { kind: 'failed'; reason: string };

/** A device, as the machine looks at it. */
export interface DeviceView {
  device: string;
  connected: boolean;
  /** Since when that is so, ms since epoch; 0: it has never been connected. */
  since: number;
  /** Its time zone, from its tag `tz`. */
  zone?: string;
  /** It came to the group while the rollout was under way, and has time until the last wave. */
  isLate: boolean;
  /** Another group's deployment of the same name wins on it. */
  overridden: boolean;
  /** To this rollout; `ranAt`: when it was seen to run it first. */
  admission?: { wave: number; at: number; ranAt?: number };
  report: DeviceReport;
  /** It does not run what is rolled out any more, nor anything else that it should not. */
  isBack: boolean;
}

/** How many devices stand how. */
export interface Counts {
  members: number;
  admitted: number;
  running: number;
  failed: number;
  /** Connected, and on the way to it. */
  pending: number;
  /** Let in, and not connected since. */
  offline: number;
  /** Let in, connected for long, without a word of it: in the cloud, they send nothing. */
  silent: number;
  overridden: number;
}

export type RolloutEvent =
  | { type: 'observed'; devices: readonly DeviceView[] }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'abort' }
  | { type: 'switch' }
  | { type: 'superseded'; by: string };

export type RolloutEffect =
  /** To be written with the rollout: it counts them already. */
  | { type: 'admit'; devices: string[]; wave: number }
  /** What is rolled out becomes what stands. */
  | { type: 'stand' }
  /** The last good one becomes what stands. */
  | { type: 'go-back' }
  /** Of the devices let in, what is wanted has changed. */
  | { type: 'follow' };

export interface Step {
  rollout: Rollout;
  effects: RolloutEffect[];
  /** What it waits for, for people; undefined: for nothing. */
  waiting?: string;
  /** When time alone may change something, ms since epoch. */
  wakeAt?: number;
  /** What cannot be, and what to do instead. */
  refused?: { message: string; remedy: string };
}
