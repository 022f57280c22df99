/**
 * What authors of functions import. A function is a fold over readings: no network, files, clock or entropy;
 * `Date.now()` is event time and `Math.random()` is seeded by the input, so a replay gives the same outputs.
 */

export type Value = number | boolean | string;

export interface Reading {
  readonly sensor: string;
  readonly metric: string;
  readonly value: Value;
  /** Event time, ms since epoch. */
  readonly ts: number;
  readonly unit?: string;
  readonly quality?: string;
}

/** Several readings as columns; element `i` of each belongs to reading `i`, in arrival order. */
export interface Readings extends Iterable<Reading> {
  readonly count: number;
  readonly series: readonly { readonly sensor: string; readonly metric: string; readonly unit?: string }[];
  /** Which entry of `series`. */
  readonly index: Uint16Array;
  /** Event time, ms since epoch. */
  readonly ts: Float64Array;
  /** Numbers; booleans as 0 and 1; texts only through `at`. */
  readonly values: Float64Array;
  at(i: number): Reading;
}

export interface Emit {
  metric: string;
  value: Value;
  /** Defaults to the sensor of the reading in hand, else to the function's name. */
  sensor?: string;
  /** Defaults to `ctx.now`. */
  ts?: number;
  unit?: string;
}

/** Says how things are, not what to send: an alert begins when `active` turns true and ends when it turns false. */
export interface Alert {
  /** Distinguishes the alerts of one function; one episode at a time for each name. */
  name: string;
  active: boolean;
  /** Default `warning`. */
  severity?: 'info' | 'warning' | 'critical';
  summary?: string;
  value?: Value;
  sensor?: string;
  metric?: string;
  /** Defaults to `ctx.now`. */
  ts?: number;
}

export interface Log {
  (...parts: unknown[]): void;
  debug(...parts: unknown[]): void;
  warn(...parts: unknown[]): void;
  error(...parts: unknown[]): void;
}

export interface Context<State, Config> {
  /** Durable and yours to change; plain JSON, at most 256 KiB. Kept together with the outputs, or not at all. */
  state: State;
  readonly config: Config;
  /** Event time, ms since epoch: that of the reading, of the latest reading of a batch, or of the schedule. */
  readonly now: number;
  readonly device: string;
  /** A reading of the device's own making; it goes to rules and to the hub like any other. */
  emit(reading: Emit): void;
  alert(alert: Alert): void;
  /** Publishes to the local broker, e.g. to an actuator, at least once. Anything but a text is sent as JSON. */
  publish(topic: string, payload: unknown, options?: { qos?: 0 | 1; retain?: boolean }): void;
  readonly log: Log;
}

export type Schedule =
  /** A duration such as `10s`, or milliseconds; 100 ms at least. */
  | { every: string | number }
  /** `0 6 * * 1-5`: minute, hour, day, month, weekday; a sixth field in front is seconds. `timeZone`: IANA, default UTC. */
  | { cron: string; timeZone?: string };

export interface FunctionDefinition<State = unknown, Config = unknown> {
  /** Letters, digits and `. _ : -`; at most 64. */
  name: string;
  /** A new version for each change, e.g. `1.2.0`. */
  version: string;
  /** Which readings it gets; `*` stands for any characters. Default: all. */
  inputs?: { sensor?: string; metric?: string }[];
  /**
   * Readings it emits, by which other functions get them as inputs. What is emitted must then be among them.
   * Default: anything, and only rules and the hub get it.
   */
  outputs?: { sensor?: string; metric?: string }[];
  /** The first state. Default: an empty object. */
  state?: (config: Config) => State;
  reading?(reading: Reading, ctx: Context<State, Config>): void;
  /** Instead of `reading`: many at a time, far cheaper for each. */
  readings?(batch: Readings, ctx: Context<State, Config>): void;
  /** Runs by wall time; several missed runs are made up by one. */
  schedule?: (Schedule & { name: string; run(ctx: Context<State, Config>): void })[];
  /** Wall time of one step (up to some thousand readings). Default 250. */
  timeoutMs?: number;
  /** Heap of the function. Default 64. */
  memoryMb?: number;
}

/** Does nothing but check types. */
export function defineFunction<State = Record<string, unknown>, Config = Record<string, unknown>>(
  definition: FunctionDefinition<State, Config>,
): FunctionDefinition<State, Config> {
  return definition;
}
