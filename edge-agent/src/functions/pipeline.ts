/**
 * Carries readings through the functions: takes durable groups in order, runs steps, commits what comes out.
 *
 *     groups -> [ step n ] -> commit n            state', outputs and position in one transaction
 *                  [ step n+1 ] -> commit n+1     computed while commit n is under way
 *
 * A step is computed from the state of the one before, so when a commit fails, everything after it is thrown away:
 * the host is disposed of and made again from what was committed last, and the journal is read from there.
 */
import { type AlertTransition, concatColumns, sameJson } from '@weir/protocols';
import type { Deployed, FoldHost, FoldStatus, LogLine, Publish, StepOutput } from '@weir/runtime';
import { type Clock, every } from '../clock/clock.ts';
import type { JournalGroup } from '../journal/journal.ts';
import type { LaneAccount } from '../outbox/outbox.ts';
import type { Spool } from '../spool/spool.ts';
import { loadDeployed } from './bundles.ts';
import { soundAlerts } from './sound-alerts.ts';
import type { KeptDeployment, StepCommit } from './step-commit.ts';

export interface PipelinePorts {
  spool: Spool;
  clock: Clock;
  /** Makes the host; again after a failed commit. */
  createHost: (onStatus: (status: FoldStatus[]) => void) => FoldHost;
  /** Whether the uplink is up. */
  isConnected: () => boolean;
  onCommitted: (commit: Committed) => void;
  onLogs: (lines: readonly LogLine[]) => void;
  onStatus: (status: FoldStatus[]) => void;
  onFailure: (what: string, error: Error) => void;
}

export interface Committed {
  /** Bytes of the journal rows that were passed. */
  passedBytes: number;
  alerts: readonly AlertTransition[];
  publishes: readonly Publish[];
  lanes: readonly LaneAccount[];
}

export interface PipelineLimits {
  stepReadingsMax: number;
  handoffReadingsMax: number;
}

/** What shall run from now on. */
export interface DeployRequest {
  wanted: readonly Deployed[];
  kept: readonly KeptDeployment[];
  /** Bundles to be kept although they do not run yet. */
  hashesNeeded: readonly string[];
}

interface PendingDeploy extends DeployRequest {
  resolve: () => void;
  reject: (error: Error) => void;
}

const STOPS = 'the agent stops';
const TICK_MS = 1_000;
/** Commits under way while the next step is computed. */
const COMMITS_MAX = 2;
/** A full disk is not free again at once. */
const REBUILD_DELAYS_MS = [100, 1_000, 5_000];

export class Pipeline {
  #ports: PipelinePorts;
  #limits: PipelineLimits;
  #host: FoldHost | undefined;
  #groups: JournalGroup[] = [];
  #queuedReadings = 0;
  /** Groups were let go: the journal has them. */
  #behind = true;
  /** Last row that is durable, that was handed to a step. */
  #lastDurable = 0;
  #lastTaken = 0;
  #stepNumber = 0;
  #deploys: PendingDeploy[] = [];
  #deploying: PendingDeploy | undefined;
  /** What the host holds. */
  #deployed: readonly Deployed[] = [];
  /** Last state of each deployment that is kept and does not run, for its bundle cannot be read. */
  #damaged = new Map<string, string | undefined>();
  #tickDue = false;
  #commits = new Set<Promise<void>>();
  #failed: Error | undefined;
  #rebuilds = 0;
  #running: Promise<void> | undefined;
  #stopped = false;
  #stopTicks = () => {};

  constructor(ports: PipelinePorts, limits: PipelineLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /** Rows that are durable and were not handed to a step yet. */
  get lagRows(): number {
    return Math.max(0, this.#lastDurable - this.#lastTaken);
  }

  /** Names of deployments that do not run until their bundle is here again; their states wait for it. */
  get damaged(): ReadonlySet<string> {
    return new Set(this.#damaged.keys());
  }

  status(): FoldStatus[] {
    return this.#host?.status() ?? [];
  }

  /** Starts what ran last. */
  async start(): Promise<void> {
    await this.#build();
    this.#stopTicks = every(this.#ports.clock, TICK_MS, () => {
      this.#tickDue = true;
      this.#wake();
    });
    this.#wake();
  }

  /**
   * Commits nothing more. The step on hand is left to itself and what comes of it is thrown away, for it may be torn
   * down under way, which looks like a fault of the function; the journal still has its readings.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTicks();
    for (const { reject } of [...this.#deploys.splice(0), ...(this.#deploying ? [this.#deploying] : [])]) {
      reject(new Error(STOPS));
    }
    await Promise.allSettled(this.#commits);
    void Promise.resolve(this.#running).finally(() => this.#host?.dispose());
  }

  /** A group that is durable; groups come in order. */
  offer(group: JournalGroup): void {
    this.#lastDurable = group.id;
    if (this.#queuedReadings > this.#limits.handoffReadingsMax) this.#behind = true;
    if (!this.#behind) {
      this.#groups.push(group);
      this.#queuedReadings += group.columns.index.length;
    }
    this.#wake();
  }

  /** Resolves when it runs and that is committed. What is kept, not wanted and runs, runs on. */
  deploy(request: DeployRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#deploys.push({ ...request, resolve, reject });
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#running !== undefined || this.#stopped || this.#host === undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#hasWork) this.#wake();
    });
  }

  get #hasWork(): boolean {
    const readings = this.#groups.length > 0 || (this.#behind && this.#lastTaken < this.#lastDurable);
    return !this.#stopped && (readings || this.#tickDue || this.#deploys.length > 0);
  }

  async #run(): Promise<void> {
    while (this.#hasWork || (this.#failed !== undefined && !this.#stopped)) {
      try {
        if (this.#failed !== undefined) await this.#rebuild();
        else if (this.#deploys.length > 0) await this.#runDeploy(this.#deploys.shift()!);
        else if (this.#tickDue) await this.#runTick();
        else await this.#runStep();
        while (this.#commits.size >= COMMITS_MAX) await Promise.race(this.#commits);
      } catch (error) {
        if (!this.#stopped) this.#fail(error as Error);
      }
    }
  }

  async #runStep(): Promise<void> {
    const groups = await this.#takeGroups();
    if (groups.length === 0) return;
    const last = groups.at(-1)!;
    const columns = concatColumns(groups.map((group) => group.columns));
    const output = await this.#host!.step({ position: String(last.id), receivedAt: last.receivedAt, columns });
    const passedBytes = groups.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#commit(output, { through: last.id, passedBytes });
  }

  async #runTick(): Promise<void> {
    this.#tickDue = false;
    const now = this.#ports.clock.now();
    const output = await this.#host!.tick(now, `${this.#lastTaken}.${now}`);
    // Without a change nothing is written: an idle device leaves its card alone.
    if (isEmpty(output)) this.#ports.onLogs(output.logs);
    else this.#commit(output, {});
  }

  async #runDeploy(request: PendingDeploy): Promise<void> {
    const { wanted, kept, hashesNeeded, resolve, reject } = request;
    const now = this.#ports.clock.now();
    this.#deploying = request;
    try {
      const next = [...wanted, ...this.#unchanged(wanted, kept)];
      const output = await this.#host!.deploy(
        next,
        this.#statesFor(next, kept),
        `${this.#lastTaken}.deploy.${now}`,
        now,
      );
      await this.#commit(output, { deployed: { running: kept, hashesNeeded } });
      if (this.#failed !== undefined) throw this.#failed;
      this.#deployed = next;
      const missing = kept.filter(({ name }) => !isAmong(next, name));
      this.#damaged = new Map(missing.map(({ name }) => [name, this.#damaged.get(name)]));
      resolve();
    } catch (error) {
      reject(error as Error);
      throw error;
    } finally {
      this.#deploying = undefined;
    }
  }

  /** What runs and shall go on, although its bundle could not be read again. */
  #unchanged(wanted: readonly Deployed[], kept: readonly KeptDeployment[]): Deployed[] {
    return this.#deployed.filter(({ name, hash, config }) => {
      const same = kept.find((each) => each.name === name && each.hash === hash);
      return !isAmong(wanted, name) && same !== undefined && sameJson(JSON.parse(same.config), config);
    });
  }

  /** States for what comes back, and of what is gone for good: the host forgets those. */
  #statesFor(next: readonly Deployed[], kept: readonly KeptDeployment[]): Map<string, string> {
    const states = new Map<string, string>();
    for (const [name, json] of this.#damaged) {
      if (json !== undefined && (isAmong(next, name) || !isAmong(kept, name))) states.set(name, json);
    }
    return states;
  }

  async #takeGroups(): Promise<JournalGroup[]> {
    if (this.#groups.length === 0) await this.#readBack();
    const taken: JournalGroup[] = [];
    let readings = 0;
    while (this.#groups.length > 0) {
      const next = this.#groups[0]!.columns.index.length;
      if (taken.length > 0 && readings + next > this.#limits.stepReadingsMax) break;
      readings += next;
      taken.push(this.#groups.shift()!);
    }
    this.#queuedReadings -= readings;
    if (taken.length > 0) this.#lastTaken = taken.at(-1)!.id;
    return taken;
  }

  async #readBack(): Promise<void> {
    const durable = this.#lastDurable;
    const groups = await this.#ports.spool.call('journalAfter', this.#lastTaken, this.#limits.handoffReadingsMax);
    for (const group of groups) {
      this.#groups.push(group);
      this.#queuedReadings += group.columns.index.length;
      this.#lastDurable = Math.max(this.#lastDurable, group.id);
    }
    // Rows that the card has damaged were taken out: there is nothing to come back for.
    if (groups.length === 0) this.#lastTaken = Math.max(this.#lastTaken, durable);
    // Caught up: what becomes durable from here on is handed over in memory again.
    if ((groups.at(-1)?.id ?? this.#lastTaken) >= this.#lastDurable) this.#behind = false;
  }

  #commit(
    output: StepOutput,
    {
      passedBytes = 0,
      through,
      deployed,
    }: { passedBytes?: number } & Partial<Pick<StepCommit, 'through' | 'deployed'>>,
  ): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    const { spool, clock, isConnected, onCommitted, onLogs, onFailure } = this.#ports;
    const { states, publishes, logs } = output;
    const alerts = soundAlerts(output.alerts, onFailure);
    const step: StepCommit = {
      number: ++this.#stepNumber,
      states,
      emitted: output.emitted.index.length > 0 ? output.emitted : undefined,
      alerts,
      publishes,
      through,
      deployed,
      connected: isConnected(),
      now: clock.now(),
    };
    const commit = spool
      .call('commitStep', step)
      .then(
        ({ lanes }) => {
          this.#rebuilds = 0;
          onCommitted({ passedBytes, alerts, publishes, lanes });
          onLogs(logs);
        },
        (error) => this.#fail(error),
      )
      .finally(() => this.#commits.delete(commit));
    this.#commits.add(commit);
    return commit;
  }

  #fail(error: Error): void {
    if (this.#failed !== undefined) return;
    this.#failed = error;
    this.#ports.onFailure('a step could not be committed', error);
  }

  async #rebuild(): Promise<void> {
    await Promise.allSettled(this.#commits);
    const delayMs = REBUILD_DELAYS_MS[Math.min(this.#rebuilds++, REBUILD_DELAYS_MS.length - 1)]!;
    await new Promise<void>((resolve) => this.#ports.clock.after(delayMs, resolve));
    if (this.#stopped) return;
    this.#host?.dispose();
    await this.#build();
    this.#failed = undefined;
  }

  /** A host that holds what was committed last. */
  async #build(): Promise<void> {
    const { spool, clock, createHost, onStatus, onFailure } = this.#ports;
    const state = await spool.call('state');
    const { deployed, damaged } = await loadDeployed(spool, state.deployments);
    for (const { name, error } of damaged) onFailure(`the bundle of ${name} is damaged`, error);
    this.#deployed = deployed;
    this.#damaged = new Map(damaged.map(({ name }) => [name, state.states.get(name)]));
    // A state that the host does not hear of it does not forget.
    const states = new Map([...state.states].filter(([name]) => !this.#damaged.has(name)));
    this.#groups = [];
    this.#queuedReadings = 0;
    this.#behind = true;
    this.#lastTaken = state.position;
    this.#lastDurable = Math.max(this.#lastDurable, state.lastId);
    this.#stepNumber = state.step;
    const host = createHost((status) => {
      if (!this.#stopped) onStatus(status);
    });
    const now = clock.now();
    const output = await host.deploy(deployed, states, `${state.position}.start.${now}`, now);
    this.#host = host;
    if (!isEmpty(output)) this.#commit(output, {});
  }
}

function isAmong(list: readonly { name: string }[], name: string): boolean {
  return list.some((each) => each.name === name);
}

function isEmpty({ states, emitted, alerts, publishes }: StepOutput): boolean {
  return states.length === 0 && emitted.index.length === 0 && alerts.length === 0 && publishes.length === 0;
}
