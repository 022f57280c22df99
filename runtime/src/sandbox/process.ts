/**
 * The supervisor of one sandbox process: hands jobs to it, kills it when a job passes its limit of time or the
 * process its cap of memory, starts another at once, and gives every job exactly one outcome.
 *
 * When the process dies with one job in flight, that job did it. With several, each is run again alone, so that
 * only the guilty one is told `crashed`; a job of a neighbour is repeated unnoticed, which a fold allows.
 *
 * A start takes about 70 ms, on a busy machine many times that. Who killed one process often kills the next, so for
 * a while after a kill a spare one stands by; for ever it would cost each device 30 MiB for nothing.
 */
import type { Answer } from './frames.ts';
import type { Launch } from './isolation.ts';
import { type Job, Jobs } from './jobs.ts';
import { Linger } from './linger.ts';
import type { StepCost, StepRequest, Unit } from './protocol.ts';
import { Spawned } from './spawned.ts';

/** How a job ended. Also metric labels. */
export type Outcome = (
  | { kind: 'returned'; text: string }
  | { kind: 'threw' | 'timed-out' | 'out-of-memory' | 'crashed'; message: string }
) & {
  /** Of a step that ran. */
  usage?: StepCost;
};

export interface ProcessOptions {
  rssBytesMax: number;
  parallel: number;
  log: (level: 'debug' | 'warn' | 'error', message: string) => void;
  /** How a process is started; `bare` without what the platform may refuse. */
  launch: (bare: boolean) => Promise<Launch>;
}

/** What the process has of a unit. */
interface Known {
  number: number;
  state: 'absent' | 'loading' | 'loaded';
  /** What the load answered. */
  text: string;
  /** No longer wanted, as soon as it is there. */
  dropped: boolean;
}

interface Task extends Job {
  known: Known;
  /** How often it timed out for want of a core. */
  starved: number;
  settle: (outcome: Outcome) => void;
}

/** On top of a unit's own limit, before the process is killed: the isolate's own timeout should come first. */
const SLACK_MS = 200;
/** Compiling, and the top level of a bundle. */
const LOAD_LIMIT_MS = 2_000;
/** Only while something runs. */
const WATCH_MS = 10;
/** Memory can grow by 2 GB/s. Near the cap it is looked at so often that it passes it by some megabytes at most. */
const NEAR_WATCH_MS = 2;
const NEAR_SHARE = 0.75;
/** So often a step that timed out is run again because it had no core for half of its time. */
const STARVED_MAX = 2;
/** To fill its memory a step needs longer. */
const FILLING_MS = 30;
/** A process that does not come up at all is tried again, ever more slowly. */
const RESPAWN_MS = [0, 0, 100, 500, 1_000, 5_000];
/** After so many starts that came to nothing, what the platform may refuse is left out. */
const STARTS_BEFORE_BARE = 2;
/** How long after the last kill a spare process stands by: a few rounds of a function that is tried and tried again. */
const SPARE_MS = 60_000;
/** First those who wait have their turn: its start takes a core. */
const SPARE_AFTER_MS = 50;

export class SandboxProcess {
  #options: ProcessOptions;
  #child: Spawned | undefined;
  #spare: Spawned | undefined;
  /** Killed and not yet gone. */
  #dying = new Set<Spawned>();
  #starting = false;
  #stopping = false;
  #failedStarts = 0;
  #restarts = 0;
  #respawn: NodeJS.Timeout | undefined;
  #spareBegin: NodeJS.Timeout | undefined;
  #spareEnd: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #watchedAt = 0;
  #nextId = 1;
  #jobs: Jobs<Task>;
  #units = new Map<string, Known>();
  #nextNumber = 1;
  #linger = new Linger();
  #onReady: (() => void)[] = [];

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#jobs = new Jobs(options.parallel);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  start(): Promise<void> {
    if (this.#child?.isReady) return Promise.resolve();
    const ready = new Promise<void>((resolve) => this.#onReady.push(resolve));
    if (this.#child === undefined) void this.#spawn();
    return ready;
  }

  submit(unit: Unit, request: StepRequest | undefined): Promise<Outcome> {
    if (this.#stopping) return Promise.resolve({ kind: 'crashed', message: 'the sandbox was stopped' });
    return new Promise((settle) => {
      const known = this.#know(unit.key);
      const state = { inline: false, alone: false, ranMs: 0, expectedUs: 0, starved: 0 };
      this.#jobs.add({ id: this.#nextId++, unit, request, known, phase: 'load', ...state, settle });
      this.#pump();
    });
  }

  drop(key: string): void {
    this.#jobs.pace.forget(key);
    const known = this.#units.get(key);
    if (known === undefined) return;
    this.#units.delete(key);
    known.dropped = true;
    if (known.state === 'loaded') this.#child?.frames.drop(known.number);
  }

  #know(key: string): Known {
    let known = this.#units.get(key);
    if (known === undefined) {
      known = { number: this.#nextNumber++, state: 'absent', text: '', dropped: false };
      this.#units.set(key, known);
    }
    return known;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#respawn);
    this.#discard();
    this.#endSpare();
    for (const job of this.#jobs.takeAll()) job.settle({ kind: 'crashed', message: 'the sandbox was stopped' });
    await Promise.all([...this.#dying].map((each) => each.gone()));
  }

  async #spawn(): Promise<void> {
    if (this.#starting || this.#stopping) return;
    this.#starting = true;
    const child = await this.#open();
    this.#starting = false;
    this.#child = child;
  }

  /** Undefined: stopped meanwhile. */
  async #open(): Promise<Spawned | undefined> {
    const launch = await this.#options.launch(this.#failedStarts >= STARTS_BEFORE_BARE);
    if (this.#stopping) return undefined;
    return new Spawned(launch, {
      onReady: (which) => {
        if (which === this.#child) this.#ready();
      },
      onAnswer: (which, answer) => {
        if (which === this.#child) this.#receive(answer);
      },
      onMalformed: (which) => {
        if (which === this.#child) this.#kill('it said what is no answer', this.#jobs.inFlight);
      },
      onGone: (which, how) => this.#gone(which, how),
      log: this.#options.log,
    });
  }

  #ready(): void {
    this.#failedStarts = 0;
    for (const resolve of this.#onReady.splice(0)) resolve();
    this.#pump();
    if (this.#spareEnd === undefined) return;
    clearTimeout(this.#spareBegin);
    this.#spareBegin = setTimeout(() => void this.#openSpare(), SPARE_AFTER_MS);
  }

  async #openSpare(): Promise<void> {
    const spare = await this.#open();
    if (this.#spareEnd === undefined || this.#spare !== undefined) this.#end(spare);
    else this.#spare = spare;
  }

  #endSpare(): void {
    clearTimeout(this.#spareBegin);
    clearTimeout(this.#spareEnd);
    this.#spareEnd = undefined;
    this.#end(this.#spare);
    this.#spare = undefined;
  }

  #end(child: Spawned | undefined): void {
    if (child?.kill()) this.#dying.add(child);
  }

  #gone(which: Spawned, how: string): void {
    this.#dying.delete(which);
    if (which === this.#spare) this.#spare = undefined;
    if (which !== this.#child) return;
    this.#kill(how, this.#jobs.inFlight, { kind: 'crashed', message: 'the sandbox process died' });
  }

  /** Ends the process and blames `guilty`; with more than one, each is run again alone. */
  #kill(reason: string, guilty: readonly Task[], outcome?: Outcome): void {
    const sole = guilty.length === 1 ? guilty[0]! : undefined;
    const blamed: Outcome = outcome ?? { kind: 'crashed', message: reason };
    this.#replace(reason, sole === undefined ? new Map() : new Map([[sole, { ...blamed, ...seenCost(sole) }]]));
  }

  /** Another process is on its way before the old one is gone: the system takes its time over a full memory. */
  #replace(reason: string, outcomes: ReadonlyMap<Task, Outcome>): void {
    const wasReady = this.#child?.isReady === true;
    this.#restarts++;
    this.#discard();
    this.#options.log('warn', `the sandbox process was ended: ${reason}`);
    for (const [key, known] of this.#units) {
      known.state = 'absent';
      this.#jobs.release(key);
    }
    // The longer it ran the more it is suspected: neighbours go first.
    for (const job of this.#jobs.inFlight.toSorted((a, b) => b.ranMs - a.ranMs)) {
      const outcome = outcomes.get(job);
      if (outcome !== undefined) {
        this.#jobs.pace.forget(job.unit.key);
        this.#settle(job, outcome);
      } else this.#jobs.redo(job, outcomes.size === 0);
    }
    this.#failedStarts = wasReady ? 0 : this.#failedStarts + 1;
    this.#child = this.#spare;
    this.#spare = undefined;
    if (wasReady) {
      clearTimeout(this.#spareEnd);
      this.#spareEnd = setTimeout(() => this.#endSpare(), SPARE_MS);
    }
    if (this.#child !== undefined) {
      if (this.#child.isReady) this.#ready();
      return;
    }
    const delayMs = RESPAWN_MS[Math.min(this.#failedStarts, RESPAWN_MS.length - 1)]!;
    if (delayMs === 0) void this.#spawn();
    else this.#respawn = setTimeout(() => void this.#spawn(), delayMs);
  }

  #discard(): void {
    clearTimeout(this.#watch);
    this.#watch = undefined;
    this.#end(this.#child);
    this.#child = undefined;
  }

  #pump(): void {
    while (this.#child?.isReady) {
      const job = this.#jobs.next();
      if (job === undefined) break;
      this.#tell(job);
      if (this.#watch !== undefined) continue;
      this.#watchedAt = performance.now();
      this.#watch = setTimeout(() => this.#look(), WATCH_MS);
    }
    if (this.#jobs.inlineUs > 0) this.#linger.handedOver(this.#jobs.inlineUs);
  }

  #tell(job: Task): void {
    const { id, unit, request } = job;
    const known = this.#know(unit.key);
    job.known = known;
    if (known.state === 'loading') this.#jobs.hold(job);
    else if (known.state === 'absent') {
      known.state = 'loading';
      job.phase = 'load';
      this.#jobs.begin(job, false);
      this.#child!.frames.load(id, known.number, unit);
    } else if (request === undefined) this.#settle(job, { kind: 'returned', text: known.text });
    else {
      job.phase = 'step';
      this.#child!.frames.step(id, known.number, job.inline, request);
    }
  }

  #receive({ id, kind, failure, usage, text }: Answer): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#linger.answered(usage);
    if (kind === 'unknownUnit') {
      if (job.known.state === 'loaded') job.known.state = 'absent';
      this.#jobs.redo(job, job.alone);
    } else if (job.phase === 'load') this.#loaded(job, kind === 'done', failure, text);
    else if (kind === 'done') {
      this.#jobs.pace.note(job.unit.key, usage.cpuUs);
      this.#settle(job, { kind: 'returned', text, usage });
    } else this.#failed(job, failure, text, usage);
    this.#pump();
  }

  #failed(job: Task, failure: Answer['failure'], message: string, usage: StepCost): void {
    // The process gives up such an isolate.
    if (failure !== 'threw') job.known.state = 'absent';
    // The machine is busy, and nothing is known of the step.
    const isStarved = failure === 'timed-out' && usage.cpuUs < (job.unit.timeoutMs * 1_000) / 2;
    if (isStarved && job.starved < STARVED_MAX) {
      job.starved++;
      this.#jobs.redo(job, job.alone);
      return;
    }
    this.#jobs.pace.note(job.unit.key, Number.POSITIVE_INFINITY);
    this.#settle(job, { kind: failure, message, usage });
  }

  #loaded(job: Task, isDone: boolean, failure: Answer['failure'], text: string): void {
    const { known, unit } = job;
    known.state = isDone ? 'loaded' : 'absent';
    known.text = text;
    this.#jobs.release(unit.key);
    if (!isDone) this.#settle(job, { kind: failure, message: text });
    else if (job.request === undefined) this.#settle(job, { kind: 'returned', text });
    else {
      job.phase = 'step';
      this.#jobs.begin(job, false);
      this.#child!.frames.step(job.id, known.number, false, job.request);
    }
    if (isDone && known.dropped) this.#child!.frames.drop(known.number);
  }

  #settle(job: Task, outcome: Outcome): void {
    this.#jobs.end(job);
    job.settle(outcome);
  }

  /** isolated-vm's own limits are advisory: a busy isolate can pass both of them by far before it notices. */
  #look(): void {
    this.#watch = undefined;
    if (this.#jobs.isIdle) return;
    const now = performance.now();
    // A host that slept itself, e.g. with the machine, has seen nothing.
    const passedMs = Math.min(now - this.#watchedAt, 2 * WATCH_MS);
    this.#watchedAt = now;
    const overdue = this.#jobs.pass(passedMs).filter(({ phase, unit, ranMs }) => {
      return ranMs > (phase === 'load' ? LOAD_LIMIT_MS : unit.timeoutMs + SLACK_MS);
    });
    const { rssBytesMax } = this.#options;
    const residentBytes = this.#child!.residentBytes();
    if (overdue.length > 0) {
      const message = 'it passed its time limit and was killed';
      this.#kill('a step passed its time limit', overdue, { kind: 'timed-out', message });
    } else if (residentBytes > rssBytesMax) {
      const message = `the sandbox process grew over ${rssBytesMax} bytes`;
      const jobs = this.#jobs.inFlight;
      // One that has only just begun may have found the memory filled: it is run again alone before it is blamed.
      const proven = jobs.filter(({ alone, ranMs }) => alone || ranMs > FILLING_MS);
      this.#kill(message, jobs.length === 1 ? proven : [], { kind: 'out-of-memory', message });
    } else {
      const isNear = residentBytes > NEAR_SHARE * rssBytesMax;
      this.#watch = setTimeout(() => this.#look(), isNear ? NEAR_WATCH_MS : WATCH_MS);
    }
  }
}

/** Of a step that took its process along: as much as the host saw of it. */
function seenCost({ phase, ranMs }: Job): { usage?: StepCost } {
  const ranUs = Math.round(ranMs * 1_000);
  return phase === 'step' ? { usage: { wallUs: ranUs, cpuUs: ranUs, heapBytes: 0 } } : {};
}
