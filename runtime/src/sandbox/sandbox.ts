/** Runs units in one or more supervised processes: what one unit does to its process, those in others do not notice. */
import { availableParallelism } from 'node:os';
import { type IsolationLayer, inspectIsolation, launchSandbox } from './isolation.ts';
import { type Outcome, SandboxProcess } from './process.ts';
import type { StepRequest, Unit } from './protocol.ts';

export type { Outcome };

export interface SandboxOptions {
  /** Over which units are spread by their key. Default 1. */
  processes?: number;
  /** Resident memory of a process over which it is killed. Default 512 MiB. */
  rssBytesMax?: number;
  /** Jobs in flight in a process; each runs in a thread of its own. Default: one less than the cores, at least 2. */
  parallel?: number;
  /** Told what the supervisor does: starts, kills, standard error of the process. */
  log?: (level: 'debug' | 'warn' | 'error', message: string) => void;
}

export interface Sandbox {
  /** Resolves when the processes are ready. */
  start(): Promise<void>;
  /** Compiles a unit; `returned` carries the plain fields of its definition as JSON. */
  load(unit: Unit): Promise<Outcome>;
  /** Loads the unit when its process does not have it. */
  step(unit: Unit, request: StepRequest): Promise<Outcome>;
  /** Frees the isolate of a unit that is no longer wanted. */
  drop(key: string): void;
  /** For tests and status: the processes that run now. */
  readonly pids: readonly number[];
  /** Processes that ended or were killed, and were replaced. */
  readonly restarts: number;
  /** What keeps the processes off the machine; undefined where the system cannot be asked. */
  isolation(): IsolationLayer[] | undefined;
  /** Ends the processes; jobs in flight are told `crashed`. Idempotent. */
  stop(): Promise<void>;
}

/** What runs functions needs of one. */
export type FunctionSandbox = Pick<Sandbox, 'load' | 'step' | 'drop'>;

export function createSandbox(options: SandboxOptions = {}): Sandbox {
  return new ProcessPool(options);
}

class ProcessPool implements Sandbox {
  #processes: SandboxProcess[];

  constructor({ processes = 1, rssBytesMax = 512 * 1024 * 1024, parallel, log = () => {} }: SandboxOptions) {
    const options = {
      rssBytesMax,
      parallel: parallel ?? Math.max(2, availableParallelism() - 1),
      log,
      launch: launchSandbox,
    };
    this.#processes = Array.from({ length: processes }, () => new SandboxProcess(options));
  }

  get pids(): readonly number[] {
    return this.#processes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  get restarts(): number {
    return this.#processes.reduce((sum, each) => sum + each.restarts, 0);
  }

  async start(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.start()));
  }

  load(unit: Unit): Promise<Outcome> {
    return this.#of(unit.key).submit(unit, undefined);
  }

  step(unit: Unit, request: StepRequest): Promise<Outcome> {
    return this.#of(unit.key).submit(unit, request);
  }

  drop(key: string): void {
    this.#of(key).drop(key);
  }

  isolation(): IsolationLayer[] | undefined {
    const [pid] = this.pids;
    return pid === undefined ? undefined : inspectIsolation(pid);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.stop()));
  }

  /** FNV-1a: a unit stays where it is as long as the number of processes does. */
  #of(key: string): SandboxProcess {
    if (this.#processes.length === 1) return this.#processes[0]!;
    let hash = 0x811c9dc5;
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    return this.#processes[(hash >>> 0) % this.#processes.length]!;
  }
}
