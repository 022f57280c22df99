/**
 * What shall take over is tried beside what runs, which goes on stepping meanwhile:
 *
 *     on trial from here on -> loaded in a process of its own, with the state that it would take over
 *       -> given the readings that came last -> loaded in the process of what runs -> it may take over
 *
 * It is noted before it is loaded for the first time: if that ends the agent again and again, it is not tried once more.
 */
import {
  type Deployed,
  type Failure,
  type FoldHost,
  type FoldStatus,
  rehearse,
  type StepInput,
  versionOf,
} from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import type { JournalGroup } from '../journal/journal.ts';
import type { Spool } from '../spool/spool.ts';
import { loadDeployed } from './bundles.ts';
import type { Kept } from './deployments.ts';
import type { KeptDeployment } from './kept-deployments.ts';
import type { Trial, TrialKey } from './trial-table.ts';

export interface RehearsalPorts {
  spool: Spool;
  clock: Clock;
  /** Makes one beside the one that runs, in its process. */
  createHost: () => FoldHost;
  /** Makes one in a process of its own. */
  createTrialHost: () => FoldHost;
}

export interface TrialLimits {
  /** Readings that came last, which what is tried is given. */
  readingsMax: number;
  /** ms for all of them */
  spanMax: number;
  /** Ends of the agent that a version on trial may be followed by; 0: any number. */
  endsMax: number;
}

/** By {@link keyOf}, why a version cannot take over; undefined: it may. What is not in it was not tried. */
export type Verdicts = ReadonlyMap<string, Failure | undefined>;

export class Rehearsals {
  readonly #ports: RehearsalPorts;
  readonly #limits: TrialLimits;
  #recent: JournalGroup[] = [];
  #recentReadings = 0;

  constructor(ports: RehearsalPorts, limits: TrialLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /** A step was given it. */
  note(group: JournalGroup): void {
    const { readingsMax } = this.#limits;
    this.#recent.push(group);
    this.#recentReadings += sizeOf(group);
    while (this.#recent.length > 0 && this.#recentReadings > readingsMax) {
      this.#recentReadings -= sizeOf(this.#recent.shift()!);
    }
  }

  /**
   * Of all in `wanted` that do not run yet.
   * @param isFit those that have been running beside what runs: they are only started in its process
   */
  async of(
    wanted: readonly KeptDeployment[],
    kept: Kept,
    running: readonly FoldStatus[],
    isFit: (key: TrialKey) => boolean = () => false,
  ): Promise<Verdicts> {
    const verdicts = new Map<string, Failure | undefined>();
    const { spool } = this.#ports;
    const fresh = wanted.filter((each) => isNew(each, kept));
    if (fresh.length === 0) return verdicts;
    const { deployed } = await loadDeployed(spool, fresh);
    const functions = deployed.filter(({ bundle }) => bundle.kind === 'function');
    const keyed = functions.map((each) => ({ deployed: each, key: fresh.find(({ name }) => name === each.name)! }));
    const trials = await spool.call(
      'beginTrials',
      keyed.map(({ key }) => trialKey(key)),
    );
    for (const { deployed, key } of keyed) {
      const reason = endedBy(trials, key, this.#limits.endsMax);
      const version = versionOf(deployed);
      if (reason !== undefined) verdicts.set(keyOf(key), { version, state: 'quarantined', reason });
      else if (running.some(({ name, state }) => name === key.name && state === 'running')) {
        const failure = isFit(key) ? await this.#start(deployed) : await this.#rehearse(deployed);
        verdicts.set(keyOf(key), failure === undefined ? undefined : { version, state: 'failed', reason: failure });
      }
    }
    return verdicts;
  }

  async #rehearse(deployed: Deployed): Promise<string | undefined> {
    const { spool, clock, createTrialHost } = this.#ports;
    const { current } = await spool.call('foldStates', deployed.name);
    const until = clock.monotonic() + this.#limits.spanMax;
    const drill = { inputs: this.#inputs(), state: current, isOver: () => clock.monotonic() >= until };
    const failure = await rehearse(createTrialHost, deployed, clock.now(), drill);
    return failure ?? this.#start(deployed);
  }

  /** So that the step with which it takes over does not wait for its code. */
  #start(deployed: Deployed): Promise<string | undefined> {
    const { clock, createHost } = this.#ports;
    return rehearse(createHost, deployed, clock.now());
  }

  #inputs(): StepInput[] {
    return this.#recent.map(({ id, receivedAt, columns }) => ({ position: String(id), receivedAt, columns }));
  }
}

/** Names a version with its configuration, under its name. */
export function keyOf({ name, hash, config }: TrialKey): string {
  return `${name}\n${hash}\n${config}`;
}

function trialKey({ name, hash, config }: TrialKey): TrialKey {
  return { name, hash, config };
}

function isNew({ name, hash, config }: KeptDeployment, kept: Kept): boolean {
  const before = kept.get(name);
  return before?.hash !== hash || before.config !== config;
}

/** Why a version is not to be run again; undefined: nothing speaks against it. @param endsMax 0: any number */
export function endedBy(trials: readonly Trial[], key: TrialKey, endsMax: number): string | undefined {
  const { halves } = trials.find((each) => keyOf(each) === keyOf(key)) ?? { halves: 0 };
  if (endsMax === 0 || halves < 2 * endsMax) return undefined;
  return `while it was on trial the agent ended ${halves / 2} times without having been told to`;
}

function sizeOf({ columns }: JournalGroup): number {
  return columns.index.length;
}
