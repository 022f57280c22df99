/**
 * The green version of a function, beside the blue one that runs: it does all that the blue one is asked to do, after
 * it, in a sandbox of its own and with a state of its own. What it makes of that is compared and goes nowhere.
 *
 * Its state begins as that of the blue one, as it would at a takeover. It keeps no alert from anybody: those that it has
 * open are its own affair until it takes over.
 */
import { placesOf } from '../bundle/places.ts';
import { type CallMade, type FoldCall, madeOf } from '../fold/calls.ts';
import type { Deployed, Fault } from '../fold/fold.ts';
import { FunctionFold } from '../fold/function-fold.ts';
import type { FunctionState } from '../fold/function-state.ts';
import { unitOf } from '../fold/unit.ts';
import type { FunctionSandbox } from '../sandbox/sandbox.ts';
import { type Comparison, compare } from './comparison.ts';

export interface CandidateOptions {
  device: string;
  sandbox: FunctionSandbox;
  /** Between the retries of a function that wants some. */
  wait: (ms: number) => Promise<void>;
  /** By which two numbers may differ, as a share of the larger one. */
  tolerance: number;
}

/** What is to be kept of it, as one. */
export interface CandidateKept {
  /** JSON; undefined: it has none yet. */
  state: string | undefined;
  comparison: Comparison;
}

export class Candidate {
  readonly #fn: FunctionFold;
  readonly #options: CandidateOptions;
  #comparison: Comparison;
  #changed = true;
  #lastFault: Fault | undefined;

  /**
   * @param kept as it was kept, or with the blue one's state
   * @throws when it is no function
   */
  constructor(deployed: Deployed, { state, comparison }: CandidateKept, options: CandidateOptions) {
    const { bundle } = deployed;
    if (bundle.kind !== 'function') throw new Error('only a function can run beside another');
    const { device, sandbox, wait } = options;
    const parsed = state === undefined ? undefined : (JSON.parse(state) as FunctionState);
    const onFault = (fault: Fault) => {
      this.#lastFault = fault;
    };
    this.#fn = new FunctionFold(bundle.manifest, deployed, unitOf(deployed), parsed, {
      ...{ device, sandbox, wait, onFault },
      reach: 'device',
    });
    this.#options = options;
    this.#comparison = comparison;
  }

  /** @returns why it cannot be started; undefined: it can */
  async load(deployed: Deployed): Promise<string | undefined> {
    const { sandbox } = this.#options;
    let outcome = await sandbox.load(this.#fn.unit);
    // That its process died, or a machine was busy, is no fault of the function the first time.
    if (outcome.kind !== 'returned' && outcome.kind !== 'threw') outcome = await sandbox.load(this.#fn.unit);
    if (outcome.kind === 'returned') return undefined;
    const { bundle } = deployed;
    const places = placesOf(bundle.kind === 'function' ? bundle.sourceMap : undefined);
    return `${outcome.kind}: ${places.name(outcome.message)}`;
  }

  /** For states that have not seen it yet. Compared with nothing: the blue one has done so before. */
  async begin(position: string, receivedAt: number): Promise<void> {
    await this.#fn.begin({ position, receivedAt });
    this.#changed = true;
  }

  /** Calls come in order, one after another. */
  async follow(call: FoldCall, blue: CallMade): Promise<void> {
    // It was given what that letter holds when it came.
    if (call.kind === 'event' && call.event.kind === 'replay') return;
    const green = await madeOf(this.#fn, call);
    const next = compare(this.#comparison, blue, green, this.#options.tolerance);
    if (next !== this.#comparison || this.#fn.changed) this.#changed = true;
    this.#comparison = next;
  }

  /** Why it was stopped; undefined: it runs. */
  get quarantined(): string | undefined {
    return this.#fn.quarantined;
  }

  /** The last thing that went wrong, for a person. */
  get lastError(): string | undefined {
    return this.#lastFault?.message;
  }

  get comparison(): Comparison {
    return this.#comparison;
  }

  /** What is to be kept; undefined: it is as it was when this was asked last. */
  take(): CandidateKept | undefined {
    if (!this.#changed) return undefined;
    [this.#changed, this.#fn.changed] = [false, false];
    return { state: JSON.stringify(this.#fn.state), comparison: this.#comparison };
  }

  dispose(): void {
    this.#options.sandbox.drop(this.#fn.unit.key);
  }
}
