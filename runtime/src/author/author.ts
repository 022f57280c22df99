/**
 * What authors of functions import. A function is a fold over readings: no network, files, clock or entropy;
 * `Date.now()` is event time and `Math.random()` is seeded by the input, so a replay gives the same outputs.
 */

export type Value = number | boolean | string;

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** `500ms`, `10s`, `15m`, `2h`, `7d`; or milliseconds. */
export type Duration = string | number;

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
  /** Distinguishes the alerts of one state; one episode at a time for each name. */
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

/** An HTTP request; the host sends it after the step was kept, at least once, with an `Idempotency-Key`. */
export interface Request {
  /** Comes back with the response. */
  name: string;
  /** Must match one of the function's `requests`, and what the host allows. Path and query may hold `${secret:NAME}`. */
  url: string;
  /** Default `GET`, with a body `POST`. */
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** A text may hold `${secret:NAME}`: the host puts the value in when it sends it; the function never sees it. */
  headers?: { [name: string]: string | { readonly $secret: string } };
  /** Anything but a text is sent as JSON, and said to be. */
  body?: unknown;
  /** Of one attempt; default 10 s, at most 1 m. */
  timeout?: Duration;
  /** Attempts after the first; default 3, at most 10. */
  retries?: number;
}

export interface Response {
  /** That of the request. */
  readonly name: string;
  readonly id: string;
  /** Undefined: there was no answer; `error` says why. */
  readonly status?: number;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string;
  readonly error?: string;
}

export interface Command {
  readonly id: string;
  readonly name: string;
  readonly payload: Json;
}

/** An alert of a rule or of another function began or ended. */
export interface AlertEvent {
  readonly episode: string;
  readonly state: 'firing' | 'resolved';
  readonly severity: 'info' | 'warning' | 'critical';
  readonly source: { readonly kind: 'rule' | 'function'; readonly name: string; readonly version: string };
  readonly device: string;
  readonly sensor?: string;
  readonly metric?: string;
  readonly ts: number;
  /** Event time at which it began. */
  readonly startedAt: number;
  readonly value?: Value;
  readonly summary: string;
}

export interface Log {
  (...parts: unknown[]): void;
  debug(...parts: unknown[]): void;
  warn(...parts: unknown[]): void;
  error(...parts: unknown[]): void;
}

export interface Context<State, Config> {
  /**
   * Durable and yours to change; plain JSON, at most 256 KiB, with key `series` for all series of a device together.
   * Kept together with the outputs, or not at all.
   */
  state: State;
  readonly config: Config;
  /** Event time, ms since epoch: that of the reading, of the latest reading of a batch, of the schedule or timer. */
  readonly now: number;
  readonly device: string;
  /** Which series the state belongs to; with key `series` only. */
  readonly series?: { readonly sensor: string; readonly metric: string };
  /** A reading of the device's own making; it goes to rules and to the hub like any other. */
  emit(reading: Emit): void;
  alert(alert: Alert): void;
  /** Publishes to the local broker, e.g. to an actuator, at least once. Anything but a text is sent as JSON. */
  publish(topic: string, payload: unknown, options?: { qos?: 0 | 1; retain?: boolean }): void;
  /** The response comes to the handler `response`. */
  request(request: Request): void;
  /** To the functions on a device that handle commands; each gets it once. Default: the device in hand. */
  command(name: string, payload?: Json, options?: { device?: string; function?: string }): void;
  /**
   * Runs the handler in `timers` of that name when so much event time has passed; set again, it begins again. Kept
   * like the state. When no readings come, the clock moves it on.
   */
  after(duration: Duration, name: string): void;
  /** Whether there was such a timer. */
  cancel(name: string): boolean;
  readonly log: Log;
}

export type Schedule = (
  | /** 100 ms at least. */ { every: Duration }
  /** `0 6 * * 1-5`: minute, hour, day, month, weekday; a sixth field in front is seconds. `timeZone`: IANA, default UTC. */
  | { cron: string; timeZone?: string }
) & {
  /**
   * `wall` (default): by the clock. `event`: moves with the readings alone, before the first one at or after the
   * moment, so that a replay runs it at the same places.
   */
  time?: 'wall' | 'event';
};

/** @see retry */
export type OnError = 'skip' | 'stop' | { retry: number; backoff?: Duration };

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
  /**
   * What there is one state for: each `device` (default), each `series` of a device, or the `function` as a whole,
   * which in the cloud gathers the readings of all devices of the group; on a device that is the same as `device`.
   */
  key?: 'function' | 'device' | 'series';
  /** The first state. Default: an empty object. */
  state?: (config: Config) => State;
  /** Before anything else that a state sees, and again before the first of a new version or configuration. */
  start?(ctx: Context<State, Config>): void;
  reading?(reading: Reading, ctx: Context<State, Config>): void;
  /** Instead of `reading`: many at a time, far cheaper for each; with key `series`, those of one series. */
  readings?(batch: Readings, ctx: Context<State, Config>): void;
  /** Several missed runs are made up by one. With key `series` each known series has its run. */
  schedule?: (Schedule & { name: string; run(ctx: Context<State, Config>): void })[];
  /** By the names that `ctx.after` is given. */
  timers?: { [name: string]: (ctx: Context<State, Config>) => void };
  /** A command for the device, from the hub, an operator or another function. */
  command?(command: Command, ctx: Context<State, Config>): void;
  /** Alerts of rules and of other functions, as they begin and end. */
  alert?(alert: AlertEvent, ctx: Context<State, Config>): void;
  /** What became of `ctx.request`. */
  response?(response: Response, ctx: Context<State, Config>): void;
  /** The device came or went; in the cloud only. */
  online?(ctx: Context<State, Config>): void;
  offline?(ctx: Context<State, Config>): void;
  /**
   * What becomes of input that a handler throws on. `skip` (default): it is left out and kept as a dead letter.
   * `retry(n, backoff)`: first the step is run again. `stop`: the step is undone, and the function is stopped.
   */
  onError?: OnError;
  /** Where it sends HTTP requests, e.g. `https://api.example.com/v1/*`. Default: nowhere. */
  requests?: string[];
  /** Secrets of its group that it names in requests, and where each may go: `{ token: ['https://api.example.com/v1/*'] }`. */
  secrets?: { [name: string]: string[] };
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

/**
 * For `onError`: runs the step again up to `times` (at most 5), after `backoff` (at most 500 ms), doubled each time.
 * Readings behind it wait meanwhile.
 */
export function retry(times: number, backoff: Duration = '100ms'): OnError {
  return { retry: times, backoff };
}

export { type ConditionContext, type Latest, type ThresholdRule, threshold } from './threshold.ts';
