/**
 * Candidates beside what runs, and what is kept of them.
 *
 *     step n of what runs -> commit n waits -> what is written of the candidate goes with it
 *       '--> the candidate does the same, in a process of its own, while step n+1 is computed
 *
 * So a candidate is always as far as what runs, whatever the power does, and takes over without a gap. A commit waits
 * for so long at most: a candidate that is later than that cannot keep up and is stopped. What else it does wrong stops
 * only itself.
 */
import {
  Candidate,
  type Comparison,
  type Deployed,
  emptyComparison,
  type Failure,
  versionOf,
  type Witness,
} from '@weir/runtime';
import type { BesidePorts } from './beside.ts';
import { loadDeployed } from './bundles.ts';
import type { CandidateChange, KeptCandidate } from './candidate-table.ts';
import { endedBy, keyOf } from './rehearsals.ts';
import type { Trial, TrialKey } from './trial-table.ts';

export interface CandidateLimits {
  /** ms by which one may be behind what runs. */
  lagMax: number;
  /** By which two numbers may differ, as a share of the larger one. */
  tolerance: number;
  /** As in TrialLimits. */
  endsMax: number;
}

export interface CandidateStatus extends TrialKey {
  version: string;
  state: 'running' | 'failed' | 'quarantined';
  reason?: string;
  since: number;
  comparison: Comparison;
}

interface Beside {
  key: TrialKey;
  version: string;
  since: number;
  candidate: Candidate | undefined;
  /** What was kept last. */
  kept: Pick<KeptCandidate, 'state' | 'comparison'>;
  failed: Failure | undefined;
  /** Something of it is not kept yet, beside what the candidate knows of. */
  changed: boolean;
  /** Resolves when it has done all that it was given. */
  tail: Promise<void>;
  /** To be called when it is stopped: nobody waits any more for what it was given. */
  waiting: Set<() => void>;
}

const NOT_AT_HAND = 'its bundle is not here';

export class Candidates {
  /** To be told by the host of what runs. */
  readonly witness: Witness;
  readonly #ports: BesidePorts;
  readonly #limits: CandidateLimits;
  #all = new Map<string, Beside>();
  #gone = new Set<string>();
  /** Commits are written in their order, though some wait. */
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(ports: BesidePorts, limits: CandidateLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.witness = {
      watches: (name) => this.#running(name) !== undefined,
      saw: (name, call, made) => {
        const beside = this.#running(name);
        if (beside !== undefined) this.#enqueue(beside, () => beside.candidate!.follow(call, made));
      },
    };
  }

  get keys(): TrialKey[] {
    return [...this.#all.values()].map(({ key }) => key);
  }

  status(): CandidateStatus[] {
    return [...this.#all.values()].map(({ key, version, since, candidate, kept, failed }) => {
      const comparison = candidate?.comparison ?? kept.comparison;
      const status: CandidateStatus = { ...key, version, state: failed?.state ?? 'running', since, comparison };
      const reason = failed?.reason ?? candidate?.lastError;
      return reason === undefined ? status : { ...status, reason };
    });
  }

  /** Those that were kept; all that there were are gone. */
  async open(kept: readonly KeptCandidate[], trials: readonly Trial[]): Promise<void> {
    for (const { candidate } of this.#all.values()) candidate?.dispose();
    this.#all.clear();
    this.#gone.clear();
    for (const { name, hash, config, since, state, comparison, failed } of kept) {
      const key = { name, hash, config };
      const deployed = await this.#load(key);
      const version = failed?.version ?? (deployed === undefined ? '' : versionOf(deployed));
      const beside = besideOf(key, version, since, { state, comparison });
      this.#all.set(name, beside);
      const reason = endedBy(trials, key, this.#limits.endsMax);
      if (failed !== undefined) beside.failed = failed;
      else if (reason !== undefined) this.#stop(beside, 'quarantined', reason);
      else await this.#start(beside, deployed);
    }
  }

  /**
   * To be called before {@link begin}, while what runs goes on: makes ready what is new. It is on trial from here on.
   * @returns what is to be said of those that cannot run, by {@link keyOf}
   */
  async prepare(wanted: readonly TrialKey[]): Promise<Map<string, string>> {
    const { spool } = this.#ports;
    const faults = new Map<string, string>();
    const fresh = wanted.filter((key) => !this.#has(key));
    if (fresh.length === 0) return faults;
    const trials = await spool.call('beginTrials', fresh);
    for (const key of fresh) {
      const deployed = await this.#load(key);
      const ended = endedBy(trials, key, this.#limits.endsMax);
      const fault = ended ?? (await this.#fault(deployed));
      if (fault !== undefined) faults.set(keyOf(key), fault);
    }
    return faults;
  }

  /** Between steps, with nothing under way: those of `wanted` that are new begin, with the state of what runs. */
  async begin(wanted: readonly TrialKey[], faults: ReadonlyMap<string, string>, position: string): Promise<void> {
    const now = this.#ports.clock.now();
    for (const key of wanted.filter((each) => !this.#has(each))) {
      this.#remove(key.name);
      const deployed = await this.#load(key);
      const { current } = await this.#ports.spool.call('foldStates', key.name);
      const comparison = emptyComparison();
      const version = deployed === undefined ? '' : versionOf(deployed);
      const beside = besideOf(key, version, now, { state: current, comparison });
      beside.changed = true;
      this.#all.set(key.name, beside);
      const fault = faults.get(keyOf(key));
      if (fault === undefined) await this.#start(beside, deployed);
      else this.#stop(beside, 'failed', fault);
      const { candidate } = beside;
      if (candidate !== undefined) this.#enqueue(beside, () => candidate.begin(`${position}.candidate`, now));
    }
  }

  /** Those that are not among `wanted` are over, with the next commit. */
  end(wanted: readonly TrialKey[]): void {
    const names = new Set(wanted.map(({ name }) => name));
    for (const name of [...this.#all.keys()]) if (!names.has(name)) this.#remove(name);
    if (this.#gone.size > 0) this.#ports.onStatus();
  }

  /** All that was given to them until now is done, or they were stopped. */
  async settled(): Promise<void> {
    await Promise.all([...this.#all.values()].map((beside) => this.#caughtUp(beside)));
  }

  /** JSON of the state with which it can take over; undefined: it cannot, for it does not run. */
  stateOf(key: TrialKey): string | undefined {
    if (!this.isFit(key)) return undefined;
    const beside = this.#all.get(key.name)!;
    this.#take(beside);
    // Should it not take over, what was taken is still to be kept.
    beside.changed = true;
    return beside.kept.state;
  }

  /** Whether it runs, and so need not be tried. */
  isFit({ name, hash, config }: TrialKey): boolean {
    const beside = this.#running(name);
    return beside?.key.hash === hash && beside.key.config === config;
  }

  /**
   * Has a commit written with all that the candidates were given before it.
   * @param write is called at once where there is none, and in the order of these calls
   */
  inStep<T>(write: (changes: readonly CandidateChange[]) => Promise<T>): Promise<T> {
    if (this.#all.size === 0 && this.#gone.size === 0 && this.#waiting === 0) return write([]);
    const gone = [...this.#gone].map((name): CandidateChange => ({ name, kept: undefined }));
    this.#gone.clear();
    const followed = [...this.#all.values()].map(async (beside) => {
      const { kept } = await this.#changeAfter(beside);
      return kept;
    });
    this.#waiting++;
    const ready = Promise.all([Promise.all(followed), this.#turn]).then(([changes]) => {
      this.#waiting--;
      return [...gone, ...changes.flatMap((change) => change ?? [])];
    });
    this.#turn = ready;
    return ready.then(write);
  }

  #changeAfter(beside: Beside): Promise<{ kept: CandidateChange | undefined }> {
    let taken: CandidateChange | undefined;
    const done = this.#enqueue(beside, async () => {
      taken = this.#take(beside);
    });
    return this.#inTime(beside, done).then(() => {
      // What it has done since then goes with the commits since then; but that it was stopped is said at once.
      if (taken === undefined && beside.failed !== undefined) taken = this.#take(beside);
      return { kept: taken };
    });
  }

  #caughtUp(beside: Beside): Promise<void> {
    return this.#inTime(beside, beside.tail);
  }

  /** Resolves when it has caught up, or has been stopped, for not having done so too. */
  #inTime(beside: Beside, done: Promise<void>): Promise<void> {
    const { lagMax } = this.#limits;
    if (beside.failed !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#ports.clock.after(lagMax, () => {
        this.#stop(beside, 'quarantined', `it was ${lagMax} ms behind what runs: it cannot keep up`);
      });
      const end = () => {
        cancel();
        beside.waiting.delete(end);
        resolve();
      };
      beside.waiting.add(end);
      void done.then(end);
    });
  }

  #enqueue(beside: Beside, work: () => Promise<void>): Promise<void> {
    beside.tail = beside.tail
      .then(async () => {
        if (beside.failed !== undefined) return;
        await work();
        const reason = beside.candidate?.quarantined;
        if (reason !== undefined) this.#stop(beside, 'quarantined', reason);
      })
      // What runs does not end with it.
      .catch((error: Error) => this.#stop(beside, 'failed', error.message));
    return beside.tail;
  }

  /** What is to be written of it; undefined: nothing has changed. */
  #take(beside: Beside): CandidateChange | undefined {
    const { key, since, candidate, failed } = beside;
    const fresh = candidate?.take();
    if (fresh !== undefined) beside.kept = fresh;
    if (fresh === undefined && !beside.changed) return undefined;
    beside.changed = false;
    return { name: key.name, kept: { ...key, since, ...beside.kept, failed } };
  }

  #running(name: string): Beside | undefined {
    const beside = this.#all.get(name);
    return beside?.candidate !== undefined && beside.failed === undefined ? beside : undefined;
  }

  #has(key: TrialKey): boolean {
    const known = this.#all.get(key.name);
    return known !== undefined && keyOf(known.key) === keyOf(key);
  }

  async #load(key: TrialKey): Promise<Deployed | undefined> {
    const { deployed } = await loadDeployed(this.#ports.spool, [{ ...key, quarantined: null }]);
    return deployed[0];
  }

  async #fault(deployed: Deployed | undefined): Promise<string | undefined> {
    if (deployed === undefined) return NOT_AT_HAND;
    if (deployed.bundle.kind !== 'function') return 'only a function can run beside another';
    const fault = await this.#make(deployed, { state: undefined, comparison: emptyComparison() }).load(deployed);
    return fault;
  }

  async #start(beside: Beside, deployed: Deployed | undefined): Promise<void> {
    if (deployed === undefined) return this.#stop(beside, 'failed', NOT_AT_HAND);
    const candidate = this.#make(deployed, beside.kept);
    const fault = await candidate.load(deployed);
    if (fault === undefined) beside.candidate = candidate;
    else this.#stop(beside, 'failed', fault);
  }

  #make(deployed: Deployed, kept: Beside['kept']): Candidate {
    const { device, sandbox, clock } = this.#ports;
    const wait = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
    return new Candidate(deployed, kept, { device, sandbox, wait, tolerance: this.#limits.tolerance });
  }

  #stop(beside: Beside, state: Failure['state'], reason: string): void {
    if (beside.failed !== undefined) return;
    const { key, version, candidate } = beside;
    beside.failed = { version, state, reason };
    beside.changed = true;
    for (const end of beside.waiting) end();
    candidate?.dispose();
    this.#ports.log('warn', `${key.name}@${version}, the candidate, is ${state}; what runs goes on: ${reason}`);
    this.#ports.onStatus();
  }

  #remove(name: string): void {
    this.#all.get(name)?.candidate?.dispose();
    if (this.#all.delete(name)) this.#gone.add(name);
  }
}

function besideOf(key: TrialKey, version: string, since: number, kept: Beside['kept']): Beside {
  const { name, hash, config } = key;
  return {
    key: { name, hash, config },
    ...{ version, since, kept },
    ...{ candidate: undefined, failed: undefined, changed: false, tail: Promise.resolve() },
    waiting: new Set(),
  };
}
