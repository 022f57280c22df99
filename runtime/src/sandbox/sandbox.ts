/**
 * The supervisor of the sandbox process: hands jobs to it, kills it when a job passes its deadline or its memory
 * passes the cap, starts another, and gives every job exactly one outcome.
 *
 * When the process dies with one job in flight, that job did it. With several, each is run again alone, so that
 * only the guilty one is told `crashed`; a job of a neighbour is repeated unnoticed, which a fold allows.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { FromChild, StepRequest, ToChild, Unit } from './protocol.ts';

/** How a job ended. Also metric labels. */
export type Outcome =
  | { kind: 'returned'; text: string }
  | { kind: 'threw' | 'timed-out' | 'out-of-memory' | 'crashed'; message: string };

export interface SandboxOptions {
  /** Resident memory of the process over which it is killed. Default 512 MiB. */
  rssBytesMax?: number;
  /** Jobs in flight; each runs in a thread of its own. Default: one less than the cores, at least 2. */
  parallel?: number;
  /** Told what the supervisor does: starts, kills, standard error of the process. */
  log?: (level: 'debug' | 'warn' | 'error', message: string) => void;
}

export interface Sandbox {
  /** Resolves when the process is ready. */
  start(): Promise<void>;
  /** Compiles a unit; `returned` carries the plain fields of its definition as JSON. */
  load(unit: Unit): Promise<Outcome>;
  /** Loads the unit when the process does not have it. */
  step(unit: Unit, request: StepRequest): Promise<Outcome>;
  /** Frees the isolate of a unit that is no longer wanted. */
  drop(key: string): void;
  /** For tests and status: the process that runs now. */
  readonly pid: number | undefined;
  /** Ends the process; jobs in flight are told `crashed`. Idempotent. */
  stop(): Promise<void>;
}

export function createSandbox(options: SandboxOptions = {}): Sandbox {
  return new SandboxSupervisor(options);
}

interface Job {
  id: number;
  unit: Unit;
  request: StepRequest | undefined;
  /** What the process was told last. */
  phase: 'load' | 'step';
  /** Run with nothing else in flight, to find out who kills the process. */
  alone: boolean;
  deadline: NodeJS.Timeout | undefined;
  overdue: boolean;
  settle: (outcome: Outcome) => void;
}

/** On top of a unit's own limit, before the process is killed: the isolate's own timeout should come first. */
const DEADLINE_SLACK_MS = 300;
/** Compiling, and the top level of a bundle. */
const LOAD_DEADLINE_MS = 2_000;
const RSS_POLL_MS = 50;
/** A process that does not come up at all is tried again, ever more slowly. */
const RESPAWN_MS = [0, 100, 500, 1_000, 5_000];
const PAGE_BYTES = 4096;

class SandboxSupervisor implements Sandbox {
  #log: NonNullable<SandboxOptions['log']>;
  #rssBytesMax: number;
  #parallel: number;
  #child: ChildProcess | undefined;
  #ready = false;
  #stopping = false;
  #failedStarts = 0;
  #respawn: NodeJS.Timeout | undefined;
  #killReason: 'deadline' | 'memory' | undefined;
  #rssTimer: NodeJS.Timeout | undefined;
  #nextId = 1;
  #waiting: Job[] = [];
  #inFlight = new Map<number, Job>();
  #onReady: (() => void)[] = [];

  constructor({ rssBytesMax = 512 * 1024 * 1024, parallel, log = () => {} }: SandboxOptions) {
    this.#rssBytesMax = rssBytesMax;
    this.#parallel = parallel ?? Math.max(2, availableParallelism() - 1);
    this.#log = log;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): Promise<void> {
    if (this.#ready) return Promise.resolve();
    const ready = new Promise<void>((resolve) => this.#onReady.push(resolve));
    if (this.#child === undefined) this.#spawn();
    return ready;
  }

  load(unit: Unit): Promise<Outcome> {
    return this.#submit(unit, undefined);
  }

  step(unit: Unit, request: StepRequest): Promise<Outcome> {
    return this.#submit(unit, request);
  }

  drop(key: string): void {
    if (this.#ready) this.#send({ id: this.#nextId++, kind: 'drop', key });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#respawn);
    clearInterval(this.#rssTimer);
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    for (const job of [...this.#inFlight.values(), ...this.#waiting]) {
      this.#settle(job, { kind: 'crashed', message: 'the sandbox was stopped' });
    }
    this.#waiting = [];
  }

  #submit(unit: Unit, request: StepRequest | undefined): Promise<Outcome> {
    if (this.#stopping) return Promise.resolve({ kind: 'crashed', message: 'the sandbox was stopped' });
    return new Promise((settle) => {
      const id = this.#nextId++;
      const phase = request === undefined ? 'load' : 'step';
      this.#waiting.push({ id, unit, request, phase, alone: false, deadline: undefined, overdue: false, settle });
      this.#pump();
    });
  }

  #spawn(): void {
    const child = fork(new URL('./child.ts', import.meta.url), [], {
      execArgv: ['--no-node-snapshot', '--disable-warning=ExperimentalWarning'],
      // Nothing of the host's environment; one time zone, so that local time is the same everywhere.
      env: { TZ: 'UTC', LANG: 'en_US.UTF-8' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.on('message', (message: FromChild) => this.#receive(message));
    child.stderr!.on('data', (chunk: Buffer) =>
      this.#log('warn', `sandbox: ${chunk.toString('utf8').slice(0, 500).trim()}`),
    );
    child.on('error', (error) => this.#log('error', `sandbox: ${error.message}`));
    child.once('exit', (code, signal) => this.#exited(child, code, signal));
  }

  #exited(child: ChildProcess, code: number | null, signal: string | null): void {
    if (this.#child !== child) return;
    const wasReady = this.#ready;
    this.#child = undefined;
    this.#ready = false;
    if (this.#stopping) return;
    this.#log(
      'warn',
      `the sandbox process ended (${signal ?? code}${this.#killReason ? `, ${this.#killReason}` : ''})`,
    );
    this.#blame();
    this.#killReason = undefined;
    this.#failedStarts = wasReady ? 0 : this.#failedStarts + 1;
    const delayMs = RESPAWN_MS[Math.min(this.#failedStarts, RESPAWN_MS.length - 1)]!;
    this.#respawn = setTimeout(() => this.#spawn(), delayMs);
  }

  #blame(): void {
    const jobs = [...this.#inFlight.values()];
    const overdue = jobs.filter((job) => job.overdue);
    for (const job of jobs) {
      this.#inFlight.delete(job.id);
      clearTimeout(job.deadline);
      if (job.overdue) this.#settle(job, { kind: 'timed-out', message: 'it passed its time limit and was killed' });
      else if (jobs.length === 1) this.#settle(job, this.#deathOf());
      else {
        job.alone = overdue.length === 0;
        job.phase = job.request === undefined ? 'load' : 'step';
        this.#waiting.unshift(job);
      }
    }
  }

  #deathOf(): Outcome {
    if (this.#killReason === 'memory') {
      return { kind: 'out-of-memory', message: `the sandbox process grew over ${this.#rssBytesMax} bytes` };
    }
    return { kind: 'crashed', message: 'the sandbox process died' };
  }

  #pump(): void {
    while (this.#ready && this.#waiting.length > 0 && this.#inFlight.size < this.#parallel) {
      const next = this.#waiting[0]!;
      const busyAlone = [...this.#inFlight.values()].some((job) => job.alone);
      if (this.#inFlight.size > 0 && (next.alone || busyAlone)) return;
      this.#waiting.shift();
      this.#inFlight.set(next.id, next);
      this.#dispatch(next);
    }
  }

  #dispatch(job: Job): void {
    const { id, unit, request } = job;
    clearTimeout(job.deadline);
    const limitMs = job.phase === 'load' ? LOAD_DEADLINE_MS : unit.timeoutMs + DEADLINE_SLACK_MS;
    job.deadline = setTimeout(() => {
      job.overdue = true;
      this.#kill('deadline');
    }, limitMs);
    this.#watchMemory();
    if (job.phase === 'load') this.#send({ id, kind: 'load', unit });
    else this.#send({ id, kind: 'step', key: unit.key, request: request! });
  }

  #receive(message: FromChild): void {
    if (message.kind === 'ready') {
      this.#ready = true;
      for (const resolve of this.#onReady.splice(0)) resolve();
      this.#pump();
      return;
    }
    const job = this.#inFlight.get(message.id);
    if (job === undefined) return;
    if (message.kind === 'unknown-unit') {
      job.phase = 'load';
      this.#dispatch(job);
    } else if (message.kind === 'done' && job.phase === 'load' && job.request !== undefined) {
      job.phase = 'step';
      this.#dispatch(job);
    } else {
      this.#settle(
        job,
        message.kind === 'done'
          ? { kind: 'returned', text: message.text }
          : { kind: message.outcome, message: message.message },
      );
      this.#pump();
    }
  }

  #settle(job: Job, outcome: Outcome): void {
    clearTimeout(job.deadline);
    this.#inFlight.delete(job.id);
    job.settle(outcome);
  }

  #send(message: ToChild): void {
    this.#child?.send(message, (error) => {
      if (error) this.#log('debug', `sandbox: ${error.message}`);
    });
  }

  #kill(reason: 'deadline' | 'memory'): void {
    this.#killReason ??= reason;
    this.#child?.kill('SIGKILL');
  }

  /** isolated-vm's own memory limit is advisory: a busy isolate can pass it by far before it notices. */
  #watchMemory(): void {
    if (this.#rssTimer !== undefined || process.platform !== 'linux') return;
    this.#rssTimer = setInterval(() => {
      if (this.#inFlight.size === 0) {
        clearInterval(this.#rssTimer);
        this.#rssTimer = undefined;
      } else if (residentBytes(this.pid) > this.#rssBytesMax) this.#kill('memory');
    }, RSS_POLL_MS);
  }
}

/** @see proc_pid_statm(5): the second number is resident pages */
function residentBytes(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
