/**
 * Runs a function over a recorded trace as a device would: the same fold host, the same sandbox, schedules by a clock
 * that follows the readings. Nothing in what comes out depends on the machine or on how fast it is, but `timing`.
 */
import { type AlertTransition, columnsOf, type JsonObject, type Reading, readingsOf } from '@weir/protocols';
import type { BuiltBundle } from '../bundle/bundle.ts';
import { UsageError } from '../errors.ts';
import type {
  DeviceCommand,
  Fault,
  FoldHost,
  FoldStatus,
  HttpRequest,
  LogLine,
  Publish,
  StepOutput,
  Usage,
} from '../fold/fold.ts';
import type { FunctionState } from '../fold/function-state.ts';
import { createFoldHost } from '../fold/host.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { addUsage, NO_USAGE } from '../usage/usage.ts';

export type TraceOutput =
  | { kind: 'emit'; emit: Reading }
  | { kind: 'alert'; alert: AlertTransition }
  | { kind: 'publish'; publish: Publish }
  /** Shown and not sent: no response comes. */
  | { kind: 'request'; request: HttpRequest }
  | { kind: 'command'; command: DeviceCommand }
  | { kind: 'log'; log: LogLine }
  | { kind: 'error'; error: Fault };

export interface TraceRunOptions {
  sandbox: Sandbox;
  config?: JsonObject;
  /** Readings of one step at most. A step also ends when a second has passed in the trace and there are schedules. */
  batch?: number;
  /** How long the clock runs on after the last reading, for schedules. */
  tailMs?: number;
  /** A restart of the device after so many steps: only what is kept survives. */
  restartEvery?: number;
  /** Elapsed time of the machine, ms, for `timing`. Without it there is none. */
  elapsedMs?: () => number;
  /** Told of each output, which is then not kept: for runs without an end. */
  onOutput?: (output: TraceOutput) => void;
}

export interface Percentiles {
  p50: number;
  p99: number;
  max: number;
}

export interface TraceRun {
  /** In the order in which they came. */
  outputs: TraceOutput[];
  /** The function's own; undefined when it kept none. */
  state: unknown;
  status: FoldStatus;
  steps: number;
  readings: number;
  /** Over restarts, too. */
  usage: Usage;
  /** One step, and one reading in it; undefined when nothing ran or without a clock. */
  timing: { stepMs: Percentiles; readingUs: Percentiles } | undefined;
}

export const BATCH_DEFAULT = 100;
/** How often the owners of a fold host call `tick`. */
const TICK_MS = 1_000;
/** In a longer gap the device was off, but for the last day of it: what was due is made up for as after any start. */
const GAP_MS_MAX = 86_400_000;
const DEVICE = 'test';
/** Commands that a function gives itself in one step; more is a circle without an end. */
const COMMANDS_MAX = 100;

/** @throws {UsageError} `function-failed` when it cannot be started */
export async function runTrace(
  built: Pick<BuiltBundle, 'bundle' | 'hash'>,
  readings: Iterable<Reading>,
  options: TraceRunOptions,
): Promise<TraceRun> {
  const run = new FunctionRun(built, options);
  const batchMax = options.batch ?? BATCH_DEFAULT;
  const batch: Reading[] = [];
  for (const reading of readings) {
    if (batch.length >= batchMax || run.tickIsDueBefore(reading)) await run.step(batch.splice(0));
    await run.start(reading.ts);
    await run.tickUntil(reading.ts);
    batch.push(reading);
  }
  await run.step(batch.splice(0));
  if (options.tailMs !== undefined) await run.tickUntil(run.now + options.tailMs);
  return run.end();
}

/** One run, driven step by step: by a trace, or by readings as they come. */
export class FunctionRun {
  readonly #built: Pick<BuiltBundle, 'bundle' | 'hash'>;
  readonly #options: TraceRunOptions;
  readonly #name: string;
  /** Whether time alone can bring about anything. */
  readonly #ticks: boolean;
  readonly #states = new Map<string, string>();
  readonly #outputs: TraceOutput[] = [];
  readonly #timed: { ms: number; count: number }[] = [];
  #stepCount = 0;
  #usage: Usage = NO_USAGE;
  #host: FoldHost | undefined;
  #position = 0;
  #tickAt = 0;
  /** Time in the trace: that of the latest reading, for a late one does not set a clock back. */
  now = 0;

  constructor(built: Pick<BuiltBundle, 'bundle' | 'hash'>, options: TraceRunOptions) {
    const { bundle } = built;
    if (bundle.kind !== 'function') throw new UsageError('function-failed', 'a rule is no function');
    this.#built = built;
    this.#options = options;
    this.#name = bundle.manifest.name;
    const { handlers, schedules } = bundle.manifest;
    this.#ticks = handlers.includes('timers') || schedules.some(({ time }) => time !== 'event');
  }

  /** Starts the function, once. @throws {UsageError} `function-failed` */
  async start(now: number): Promise<void> {
    if (this.#host !== undefined) return;
    this.now = now;
    await this.#open();
    const status = this.#host!.status()[0]!;
    if (status.state === 'failed') {
      throw new UsageError('function-failed', `${this.#name} cannot be started: ${status.reason}`);
    }
    this.#tickAt = now + TICK_MS;
    if (this.#ticks) await this.#takeAll(await this.#host!.tick(now, `0.${now}`));
  }

  tickIsDueBefore({ ts }: Reading): boolean {
    return this.#ticks && ts >= this.#tickAt;
  }

  /** Moves the clock on. */
  async tickUntil(ts: number): Promise<void> {
    if (ts - this.#tickAt > GAP_MS_MAX) this.#tickAt = ts - GAP_MS_MAX;
    for (; this.#ticks && this.#tickAt <= ts; this.#tickAt += TICK_MS) {
      await this.#takeAll(await this.#host!.tick(this.#tickAt, `${this.#position}.${this.#tickAt}`));
    }
    this.now = Math.max(this.now, ts);
  }

  async step(readings: readonly Reading[]): Promise<void> {
    if (readings.length === 0) return;
    this.#position += readings.length;
    const input = { position: `${this.#position}`, receivedAt: this.now, columns: columnsOf(readings) };
    const { elapsedMs = () => 0, restartEvery } = this.#options;
    const began = elapsedMs();
    const output = await this.#host!.step(input);
    this.#stepCount++;
    if (this.#options.onOutput === undefined) this.#timed.push({ ms: elapsedMs() - began, count: readings.length });
    await this.#takeAll(output);
    if (restartEvery !== undefined && this.#stepCount % restartEvery === 0) await this.#open();
  }

  end(): TraceRun {
    const kept = this.#states.get(this.#name);
    const run: TraceRun = {
      outputs: this.#outputs,
      state: kept === undefined ? undefined : userState(kept),
      status: this.#host!.status()[0]!,
      steps: this.#stepCount,
      readings: this.#position,
      usage: this.#usage,
      timing: undefined,
    };
    this.#host!.dispose();
    if (this.#options.elapsedMs !== undefined && this.#timed.length > 0) {
      const stepMs = percentiles(this.#timed.map(({ ms }) => ms));
      run.timing = { stepMs, readingUs: percentiles(this.#timed.map(({ ms, count }) => (1_000 * ms) / count)) };
    }
    return run;
  }

  async #open(): Promise<void> {
    this.#host?.dispose();
    const onFault = (error: Fault) => this.#put({ kind: 'error', error });
    this.#host = createFoldHost({ device: DEVICE, sandbox: this.#options.sandbox, onFault });
    const deployed = { name: this.#name, ...this.#built, config: this.#options.config ?? {} };
    await this.#takeAll(await this.#host.deploy([deployed], this.#states, `${this.#position}`, this.now));
  }

  /** With what comes of the commands that the function gives to its own device. */
  async #takeAll(output: StepOutput): Promise<void> {
    this.#take(output);
    const waiting = [...output.commands];
    for (let taken = 0; waiting.length > 0 && taken < COMMANDS_MAX; taken++) {
      const command = waiting.shift()!;
      if (command.device !== DEVICE) continue;
      const next = await this.#host!.event({ kind: 'command', command }, `command.${command.id}`, this.now);
      if (next === undefined) continue;
      this.#take(next);
      waiting.push(...next.commands);
    }
  }

  #take(output: StepOutput): void {
    for (const { fold, json } of output.states) {
      if (json === null) this.#states.delete(fold);
      else this.#states.set(fold, json);
    }
    for (const used of output.usage) this.#usage = addUsage(this.#usage, used);
    for (const each of outputsOf(output)) this.#put(each);
  }

  #put(output: TraceOutput): void {
    if (this.#options.onOutput === undefined) this.#outputs.push(output);
    else this.#options.onOutput(output);
  }
}

/** What came out of a step, in the order in which a run tells it. */
export function outputsOf(output: StepOutput): TraceOutput[] {
  const { emitted, alerts, publishes, requests, commands, logs } = output;
  return [
    ...Array.from(readingsOf(emitted), (emit): TraceOutput => ({ kind: 'emit', emit })),
    ...alerts.map((alert): TraceOutput => ({ kind: 'alert', alert })),
    ...publishes.map((publish): TraceOutput => ({ kind: 'publish', publish })),
    ...requests.map((request): TraceOutput => ({ kind: 'request', request })),
    ...commands.map((command): TraceOutput => ({ kind: 'command', command })),
    ...logs.map((log): TraceOutput => ({ kind: 'log', log })),
  ];
}

/** The function's own part of what the host keeps for it; by series where it has a state for each. */
export function userState(json: string): unknown {
  const { states } = JSON.parse(json) as FunctionState;
  const all = states.flatMap(([key, { text }]) => (text === '' ? [] : [[key, JSON.parse(text)] as const]));
  return all.length === 1 && all[0]![0] === '' ? all[0]![1] : all.length === 0 ? undefined : Object.fromEntries(all);
}

/** By nearest rank. */
function percentiles(numbers: readonly number[]): Percentiles {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! };
}
