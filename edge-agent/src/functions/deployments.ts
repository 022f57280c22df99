/**
 * What the host holds, and what is kept of it. A change comes out whole, to be committed in one step with what it
 * brought about; it counts from `settle` on. Where its commit fails, all of this is made again from what was kept.
 */
import { sameJson } from '@weir/protocols';
import {
  type Deployed,
  deploymentOfState,
  type Failure,
  type FoldHost,
  type FoldStatus,
  type Holding,
  joinOutputs,
  type MendPorts,
  mend,
  refuse,
  replaceFold,
  type StepOutput,
  savesState,
  stateIn,
  statesOf,
  Trials,
  takenOverState,
  unfitOf,
  type Witness,
} from '@weir/runtime';
import type { SpoolState } from '../spool/operations.ts';
import type { Spool } from '../spool/spool.ts';
import { loadDeployed } from './bundles.ts';
import type { KeptDeployment } from './kept-deployments.ts';
import { endedBy, keyOf, type Verdicts } from './rehearsals.ts';
import type { Trial } from './trial-table.ts';

export interface DeploymentsPorts {
  /** For spans, ms: how long a version has run must not hang on a clock that is set. */
  monotonic: () => number;
  spool: Spool;
  createHost: (onStatus: () => void, witness?: Witness) => FoldHost;
  /** Told of what runs is asked to do; undefined: nobody is. */
  witness: Witness | undefined;
  log: (level: 'info' | 'warn', message: string) => void;
  /** Ends of the agent that a version on trial may be followed by; 0: any number. */
  endsMax: number;
}

export type Kept = ReadonlyMap<string, KeptDeployment>;

export interface Change extends Holding<string> {
  saves: readonly string[];
}

export class Deployments {
  readonly host: FoldHost;
  #ports: DeploymentsPorts;
  #kept: Kept = new Map();
  #deployed: readonly Deployed[] = [];
  /** Last states, by key, of each deployment that is kept and does not run, for its bundle cannot be read. */
  #damaged = new Map<string, ReadonlyMap<string, string>>();
  #trials = new Trials();
  #healthChanged = false;

  constructor(ports: DeploymentsPorts) {
    this.#ports = ports;
    this.host = ports.createHost(() => {
      this.#healthChanged = true;
    }, ports.witness);
  }

  get kept(): Kept {
    return this.#kept;
  }

  /** What the host holds. */
  get deployed(): readonly Deployed[] {
    return this.#deployed;
  }

  /** Names of deployments that do not run until their bundle is here again; their states wait for it. */
  get damaged(): ReadonlySet<string> {
    return new Set(this.#damaged.keys());
  }

  status(): FoldStatus[] {
    return this.host.status().map((status) => {
      const failed = this.#kept.get(status.name)?.failed;
      if (failed === undefined) return status;
      const { version, hash, state, reason } = failed;
      return { ...status, inPlaceOf: { version, hash, state, reason } };
    });
  }

  /** Whether any function's health has changed since this was asked last. */
  takeHealthChange(): boolean {
    const changed = this.#healthChanged;
    this.#healthChanged = false;
    return changed;
  }

  /** Starts what was kept. */
  async open({ deployments, states: all, trials }: SpoolState, position: string, now: number): Promise<Change> {
    const deployed = this.#withoutSuspects(await this.#load(deployments), deployments, trials);
    const missing = deployments.filter(({ name }) => !isAmong(deployed, name));
    this.#damaged = new Map(missing.map(({ name }) => [name, statesOf(name, all)]));
    // A state that the host does not hear of it does not forget.
    const states = new Map([...all].filter(([key]) => !this.#damaged.has(deploymentOfState(key))));
    this.#kept = byName(deployments);
    this.#deployed = deployed;
    const output = await this.host.deploy(deployed, states, position, now);
    return this.#mended({ kept: deployments, deployed, output }, new Set(), position, now);
  }

  /**
   * Makes what `targetOf` says what runs; what is kept, cannot be read again and runs, runs on. A version that cannot
   * be started does not take over from one that runs.
   *
   * @param verdicts of those that were tried beside what runs
   * @param stateOf JSON of the state with which a candidate takes over; undefined: it is none, and goes on from what runs
   */
  async change(
    targetOf: (kept: Kept) => readonly KeptDeployment[],
    position: string,
    now: number,
    verdicts: Verdicts = new Map(),
    stateOf: (next: KeptDeployment) => string | undefined = () => undefined,
  ): Promise<Change> {
    this.#kept = byName(this.#proven());
    const running = this.host.status().filter(({ state }) => state === 'running');
    const wanted = targetOf(this.#kept).map((each) =>
      isAmong(running, each.name) ? each : stoppedBy(verdicts.get(keyOf(each)), each),
    );
    const loaded = await this.#load(wanted);
    const kept = await this.#refuseUnfit(wanted, loaded, verdicts, now);
    const taken = loaded.filter((each) => kept.some((next) => isSame(next, each)));
    const deployed = [...taken, ...this.#deployed.filter((each) => goesOn(each, kept, taken))];
    const output = await this.#takeOver(deployed, kept, stateOf, position, now);
    const fresh = new Set(this.#saves(kept));
    return this.#mended({ kept, deployed, output }, fresh, position, now);
  }

  /** Candidates take the place of what runs one after another, once all else is as it shall be. */
  async #takeOver(
    deployed: readonly Deployed[],
    kept: readonly KeptDeployment[],
    stateOf: (next: KeptDeployment) => string | undefined,
    position: string,
    now: number,
  ): Promise<StepOutput> {
    const greens = deployed.flatMap((next) => {
      const isNew = !this.#deployed.some((each) => each.name === next.name && isAlike(each, next));
      const state = isNew ? stateOf(kept.find(({ name }) => name === next.name)!) : undefined;
      return state === undefined ? [] : [{ next, state }];
    });
    let held = deployed.map((next) =>
      greens.some((green) => green.next === next)
        ? (this.#deployed.find(({ name }) => name === next.name) ?? next)
        : next,
    );
    let output = await this.host.deploy(held, this.#statesFor(deployed, kept), position, now);
    for (const { next, state } of greens) {
      const { current } = await this.#ports.spool.call('foldStates', next.name);
      const merged = takenOverState(stateIn(output, next.name, current), state);
      const changed = await replaceFold(this.host, held, next, merged, `${position}.${next.name}`, now);
      held = held.map((each) => (each.name === next.name ? next : each));
      output = joinOutputs(output, changed);
    }
    return output;
  }

  /** To be called after each step, with its output. @returns undefined: nothing follows from it */
  async afterStep(output: StepOutput, position: string, now: number): Promise<Change | undefined> {
    if (!this.#healthChanged) return undefined;
    const kept = [...this.#kept.values()];
    const change = await this.#mended({ kept, deployed: this.#deployed, output }, new Set(), position, now);
    return change.kept === kept ? undefined : change;
  }

  /** To be called now and then, with what the tick brought about. @returns undefined: nobody has proven itself anew */
  afterTrial(output: StepOutput): Change | undefined {
    const kept = [...this.#kept.values()];
    const proven = this.#proven();
    return proven.every((each, at) => each === kept[at])
      ? undefined
      : { kept: proven, deployed: this.#deployed, output, saves: [] };
  }

  /** The change is committed. */
  settle({ kept, deployed }: Change): void {
    const missing = kept.filter(({ name }) => !isAmong(deployed, name));
    this.#damaged = new Map(missing.map(({ name }) => [name, this.#damaged.get(name) ?? new Map()]));
    this.#kept = byName(kept);
    this.#deployed = deployed;
  }

  /** What the agent did not survive is not started once more: the last good takes its place. */
  #withoutSuspects(
    deployed: readonly Deployed[],
    kept: readonly KeptDeployment[],
    trials: readonly Trial[],
  ): Deployed[] {
    return deployed.map((each) => {
      const own = kept.find((next) => isSame(next, each));
      const reason = own && endedBy(trials, own, this.#ports.endsMax);
      return reason === undefined || each.quarantined !== undefined ? each : { ...each, quarantined: reason };
    });
  }

  #proven(): readonly KeptDeployment[] {
    return this.#trials.prove([...this.#kept.values()], this.host.status(), this.#ports.monotonic());
  }

  async #load(kept: readonly KeptDeployment[]): Promise<Deployed[]> {
    const { deployed, damaged } = await loadDeployed(this.#ports.spool, kept);
    for (const { name, error } of damaged)
      this.#ports.log('warn', `the bundle of ${name} is damaged: ${error.message}`);
    return deployed;
  }

  async #refuseUnfit(
    wanted: readonly KeptDeployment[],
    loaded: readonly Deployed[],
    verdicts: Verdicts,
    now: number,
  ): Promise<readonly KeptDeployment[]> {
    const running = this.host.status().filter(({ state }) => state === 'running');
    const taking = wanted.filter(({ name, hash, config }) => {
      const before = this.#kept.get(name);
      return isAmong(running, name) && (before?.hash !== hash || before.config !== config);
    });
    const names = new Set(taking.map(({ name }) => name));
    const tried = new Map(taking.flatMap((each) => triedIn(verdicts, each)));
    const next = [...loaded, ...this.#deployed.filter((each) => goesOn(each, wanted, loaded))];
    const unfit = await unfitOf(() => this.#ports.createHost(() => {}), next, names, now, tried);
    return wanted.map((each) => {
      const why = unfit.get(each.name);
      if (why === undefined) return each;
      this.#ports.log('warn', `${each.name}@${why.version} cannot be started, what runs goes on: ${why.reason}`);
      return refuse(this.#kept.get(each.name)!, each, why);
    });
  }

  /** @param fresh those that have taken over in this very change: the state that belongs to their last good is the current one */
  async #mended(holding: Holding<string>, fresh: ReadonlySet<string>, position: string, now: number): Promise<Change> {
    const { spool, createHost, log } = this.#ports;
    const ports: MendPorts<string> = {
      createHost: () => createHost(() => {}),
      load: async (setting) => {
        const { deployed, damaged } = await loadDeployed(spool, [setting]);
        return deployed[0] ?? damaged[0]!.error.message;
      },
      states: async (name) => {
        const { current, saved } = await spool.call('foldStates', name);
        return { current, saved: fresh.has(name) ? current : saved };
      },
      log: (message) => log('warn', message),
    };
    const mended = await mend(this.host, holding, ports, `${position}.mend`, now);
    return { ...mended, saves: this.#saves(mended.kept) };
  }

  #saves(kept: readonly KeptDeployment[]): string[] {
    return kept.filter((next) => savesState(this.#kept.get(next.name), next)).map(({ name }) => name);
  }

  /** States for what comes back, and of what is gone for good: the host forgets those. */
  #statesFor(next: readonly Deployed[], kept: readonly KeptDeployment[]): Map<string, string> {
    const states = new Map<string, string>();
    for (const [name, own] of this.#damaged) {
      if (isAmong(next, name) || !isAmong(kept, name)) for (const [key, json] of own) states.set(key, json);
    }
    return states;
  }
}

function byName(kept: readonly KeptDeployment[]): Kept {
  return new Map(kept.map((each) => [each.name, each]));
}

/** Nothing can go on in its place, but to start it would end the agent once more. */
function stoppedBy(verdict: Failure | undefined, next: KeptDeployment): KeptDeployment {
  return verdict?.state === 'quarantined' ? { ...next, quarantined: verdict.reason } : next;
}

function triedIn(verdicts: Verdicts, each: KeptDeployment): [string, Failure | undefined][] {
  return verdicts.has(keyOf(each)) ? [[each.name, verdicts.get(keyOf(each))]] : [];
}

function isAmong(list: readonly { name: string }[], name: string): boolean {
  return list.some((each) => each.name === name);
}

function isAlike(a: Deployed, b: Deployed): boolean {
  return a.hash === b.hash && sameJson(a.config, b.config);
}

function isSame(kept: KeptDeployment, { name, hash, config }: Deployed): boolean {
  return kept.name === name && kept.hash === hash && sameJson(JSON.parse(kept.config), config);
}

/** What runs and shall go on, although its bundle could not be read again. */
function goesOn(running: Deployed, kept: readonly KeptDeployment[], taken: readonly Deployed[]): boolean {
  return !isAmong(taken, running.name) && kept.some((each) => isSame(each, running));
}
