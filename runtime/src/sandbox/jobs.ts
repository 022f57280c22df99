/**
 * What a sandbox process is at and what waits for it: who is next, whose time runs, and what is done again when the
 * process dies. Steps of quick units run one after another on the process's only loop, inline; all else has a thread.
 *
 *     add -> quick   ->  in flight, inline: several at a time, so that none waits for the host to answer
 *         -> waiting ->  in flight, in a thread: as many as there are threads
 *     hold -> held until its unit is loaded -> waiting
 *     redo -> suspects -> in flight, alone; steps of quick units may go before
 */
import { Pace } from './pace.ts';
import type { StepRequest, Unit } from './protocol.ts';

export interface Job {
  id: number;
  unit: Unit;
  /** Undefined: the unit is only to be loaded. */
  request: StepRequest | undefined;
  /** What the process was told last. */
  phase: 'load' | 'step';
  inline: boolean;
  /** Run with nothing else in flight, to find out who kills the process. */
  alone: boolean;
  /** How long the process has been at it, as far as the host can see. */
  ranMs: number;
  /** How long it is thought to take, when it is inline. */
  expectedUs: number;
}

/** Work for the process while the host hears of an answer and hands over the next step. More only fills caches. */
const INLINE_US_MAX = 300;
/** Steps of quick units that may go before a suspect: some milliseconds. */
const OVERTAKES_MAX = 32;
/** Even a step that does nothing takes so long. */
const STEP_US_MIN = 10;
/** An inline step is over long before, as a rule. */
const HOLDING_MS = 20;

export class Jobs<J extends Job> {
  readonly pace = new Pace();
  #threads: number;
  #suspects: J[] = [];
  /** Steps that went before the first suspect. */
  #overtaken = 0;
  #waiting: J[] = [];
  #quick: J[] = [];
  #held = new Map<string, J[]>();
  /** In the order in which the process was told. */
  #inFlight = new Map<number, J>();
  #inThreads = 0;
  /** Of a unit that has a step in a thread, none runs inline: it would wait there for the isolate. */
  #threaded = new Map<string, number>();
  #inlineUs = 0;

  constructor(threads: number) {
    this.#threads = threads;
  }

  get inFlight(): readonly J[] {
    return [...this.#inFlight.values()];
  }

  get inlineUs() {
    return this.#inlineUs;
  }
  get isIdle(): boolean {
    return this.#inFlight.size === 0;
  }

  get(id: number): J | undefined {
    return this.#inFlight.get(id);
  }

  add(job: J): void {
    if (job.request !== undefined && this.pace.expectedUs(job.unit.key) !== undefined) this.#quick.push(job);
    else this.#waiting.push(job);
  }

  /** Takes a job that was in flight back; it comes before all others. */
  redo(job: J, alone: boolean): void {
    this.end(job);
    job.alone = alone;
    (alone ? this.#suspects : this.#waiting).unshift(job);
  }

  /** Takes a job that was in flight back until its unit is released. */
  hold(job: J): void {
    this.end(job);
    const held = this.#held.get(job.unit.key);
    if (held === undefined) this.#held.set(job.unit.key, [job]);
    else held.push(job);
  }

  release(key: string): void {
    const held = this.#held.get(key) ?? [];
    this.#held.delete(key);
    this.#waiting.unshift(...held);
  }

  /** What the process is to be told now, if anything. It is in flight from here on. */
  next(): J | undefined {
    const [first] = this.#inFlight.values();
    if (first?.alone) return undefined;
    if (this.#suspects.length === 0) return this.#nextQuick() ?? this.#nextWaiting();
    // Whom nobody suspects need not wait until it is known who did it, which takes long for who did.
    const quick = this.#overtaken < OVERTAKES_MAX ? this.#nextQuick() : undefined;
    if (quick !== undefined) {
      this.#overtaken++;
      return quick;
    }
    if (this.#inFlight.size > 0) return undefined;
    this.#overtaken = 0;
    return this.begin(this.#suspects.shift()!, false);
  }

  #nextQuick(): J | undefined {
    for (;;) {
      const job = this.#quick[0];
      if (job === undefined) return undefined;
      const expectedUs = this.pace.expectedUs(job.unit.key);
      if (expectedUs === undefined || this.#threaded.has(job.unit.key)) this.#waiting.push(this.#quick.shift()!);
      else if (this.#inlineUs > 0 && this.#inlineUs + expectedUs > INLINE_US_MAX) return undefined;
      else return this.begin(this.#quick.shift()!, true);
    }
  }

  #nextWaiting(): J | undefined {
    if (this.#inThreads >= this.#threads || this.#waiting.length === 0) return undefined;
    return this.begin(this.#waiting.shift()!, false);
  }

  /** The process is told of the job, perhaps once more: its time begins. */
  begin(job: J, inline: boolean): J {
    this.end(job);
    this.#inFlight.set(job.id, job);
    job.ranMs = 0;
    job.inline = inline;
    job.expectedUs = Math.max(STEP_US_MIN, Math.ceil(this.pace.expectedUs(job.unit.key) ?? 0));
    this.#count(job, 1);
    return job;
  }

  end(job: J): void {
    if (this.#inFlight.delete(job.id)) this.#count(job, -1);
  }

  #count(job: J, change: 1 | -1): void {
    if (job.inline) {
      this.#inlineUs += change * job.expectedUs;
      return;
    }
    this.#inThreads += change;
    const { key } = job.unit;
    const threaded = (this.#threaded.get(key) ?? 0) + change;
    if (threaded === 0) this.#threaded.delete(key);
    else this.#threaded.set(key, threaded);
  }

  /** All that is in flight or waits, which is then neither. */
  takeAll(): J[] {
    for (const key of [...this.#held.keys()]) this.release(key);
    const all = [...this.inFlight, ...this.#suspects, ...this.#waiting, ...this.#quick];
    for (const job of this.inFlight) this.end(job);
    this.#suspects = [];
    this.#waiting = [];
    this.#quick = [];
    return all;
  }

  /**
   * Lets time pass for what runs: all in threads, and the first that is inline, for which the others wait. While that
   * one holds the process up, only for it: what the others answer is not heard.
   */
  pass(ms: number): J[] {
    const running = this.#running();
    for (const job of running) job.ranMs += ms;
    return running;
  }

  #running(): J[] {
    const inFlight = this.inFlight;
    const first = inFlight.find((job) => job.inline);
    if (first !== undefined && first.ranMs > HOLDING_MS) return [first];
    return inFlight.filter((job) => !job.inline || job === first);
  }
}
