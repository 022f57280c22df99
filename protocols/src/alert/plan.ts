/**
 * What a rule comes to: one form for all the ways in which people may write it. `rule.ts` makes it; the engine, tests and
 * explanations know nothing else. Durations are milliseconds, levels are in the unit of the rule.
 */
import type { Severity } from './transition.ts';

/** Readings to judge: of every sensor and metric that match. `*` stands for any characters. */
export interface Signal {
  sensor: string;
  metric: string;
  /** What is looked at; default: the last reading. */
  measure: Measure;
  /** All series that match taken together, each by its measure; absent: each for itself. */
  across?: 'mean' | 'min' | 'max' | 'sum' | 'count';
  /** What its readings are converted into, and what levels beside it are in; absent: they are taken as they are. */
  unit?: string;
}

/**
 * `change` is the last value less the first of the window, `change-percent` that by the first; `rate` is the change by
 * `perMs`. A quantile goes from 0 to 1.
 */
export type Measure =
  | { kind: 'last' }
  | { kind: 'avg' | 'min' | 'max' | 'sum' | 'count' | 'stddev' | 'change' | 'change-percent'; window: Window }
  | { kind: 'quantile'; q: number; window: Window }
  | { kind: 'rate'; window: Window; perMs: number };

/**
 * `sliding`: looked at with each reading. `tumbling`: once, when it is full; those by time begin at multiples of their length
 * since 1970. A measure is known once its window is full for the first time, but for `count`.
 */
export type Window = { ms: number; mode: 'sliding' | 'tumbling' } | { samples: number; mode: 'sliding' | 'tumbling' };

/** A tag of the device, or what the deployment gives its group under this name, in that order; else the default. */
export type Level =
  | number
  | boolean
  | string
  | { tag: string; default?: number }
  | { signal: Signal; times: number; plus: number };

/** A condition is true, false, or unknown: what is not there is no crossing, in either direction. */
export type Condition =
  | { kind: 'above' | 'at-least' | 'below' | 'at-most' | 'equals' | 'not-equals'; signal: Signal; level: Level }
  | { kind: 'outside' | 'inside'; signal: Signal; levels: [Level, Level] }
  /** No fresh reading for so long. A series must have been there once, or be named without `*`. */
  | { kind: 'silent'; signal: Signal; forMs: number }
  | { kind: 'adaptive'; signal: Signal; adaptive: Adaptive }
  /** So many of these hold; all of them: `and`, one: `or`. */
  | { kind: 'of'; atLeast: number; conditions: Condition[] }
  /** The condition holds for so many of the series (of a group: of devices), or for such a share of those that are known. */
  | { kind: 'series'; atLeast: number | { share: number }; condition: Condition }
  /** N of the last M samples, or N times within a time, for which it holds. */
  | { kind: 'repeated'; times: number; within: { samples: number } | { ms: number }; condition: Condition };

export interface Adaptive {
  direction: 'above' | 'below' | 'both';
  sensitivity: 'low' | 'medium' | 'high';
  /** The shortest time of learning before it judges. */
  learnMs: number;
  /** Seasons it looks for; one that does not help is not used. */
  seasons: ('day' | 'week')[];
}

/** One rung of the ladder. */
export interface Rung {
  severity: Severity;
  when: Condition;
  /** What must be true for it to be over; absent: that `when` is false. */
  clear?: Condition;
}

/** Wall-clock times in a zone; a span that ends before it begins goes on to the next day and belongs to the day it begins. */
export interface WeekTimes {
  /** IANA; `device`: that of the tag `tz` of the device, else UTC. */
  zone: string;
  /** E.g. `Mon-Fri 08:00-17:00`, `22:00-06:00`, `Sat,Sun`; any of them. */
  times: string[];
  /** Days that are left out, `2026-12-24`. */
  except: string[];
}

/** How an episode ends beside by its ladder. */
export interface Exit {
  /** Goes on firing for so long after it is over; a condition that is true again before that goes on with the episode. */
  keepFiringForMs: number;
  /** So many samples in a row for which it is over. */
  samples: number;
  /** Ends this long after its last recurrence, whatever the clear condition says; for events, which have no end of their own. */
  noRecurrenceForMs?: number;
  /** Ends by itself after so long. */
  resolveAfterMs?: number;
  /** The hub shows and tells it as firing until somebody has acknowledged it. */
  latch: boolean;
  /** Only a person ends it. */
  manual: boolean;
}

export interface RulePlan {
  name: string;
  version?: string;
  description?: string;
  runbook?: string;
  labels: Record<string, string>;
  /** UCUM; readings in another unit of the same kind are converted, those in none are taken as they are. */
  unit?: string;
  /**
   * What has an episode of its own. `group`: the rule runs in the cloud, over all devices of its group.
   *
   * Of a series or a sensor each signal whose `sensor` takes that sensor is its own: with `oven*` the setpoint of oven1 is
   * that of oven1. Other signals are the same for all.
   */
  by: 'series' | 'sensor' | 'device' | 'group';
  /** Series, or sensors, that have episodes: those that match. */
  watches: { sensor: string; metric: string };
  /** From the least severity to the greatest; at least one. */
  ladder: Rung[];
  forMs: number;
  exit: Exit;
  /** When it is watched at all; outside of it nothing begins, and what fires ends with reason `schedule`. Any of them. */
  schedule: WeekTimes[];
  /** When it is watched and nobody is told; what still fires at the end is told then. */
  maintenance: WeekTimes[];
  /** For how long a sample may be late and still be taken in order; nothing is decided before that. */
  latenessMs: number;
  /** Episodes open at once on one device; more are one episode that counts them. */
  openMax: number;
  /** Published on the device when it fires and when it ends. */
  actuate?: { topic: string; firing: string; resolved: string; retain: boolean };
  /** Evaluated and kept, told to nobody. */
  dryRun: boolean;
  summary?: string;
}
