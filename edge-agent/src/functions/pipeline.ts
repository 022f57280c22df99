/**
 * Carries readings through the functions: takes durable groups in order, runs steps, commits what comes out. Between
 * steps it runs events: what comes to functions beside readings.
 *
 *     group -> [ step n ] -> commit n             state', outputs and position in one transaction
 *     event -----> [ step n+1 ] -> commit n+1     computed while commit n is under way
 *
 * Each group is a step of its own, however many wait. Groups are durable; how many are in hand at a moment is chance:
 * were they joined, ids, seeds and the batches that functions see would be others after a restart. That commits which
 * wait share a transaction is left to the database.
 *
 * A step is computed from the state of the one before, so when a commit fails, everything after it is thrown away:
 * the host is disposed of and made again from what was committed last, the journal is read from there, and events
 * that were not committed are run again.
 */
import { emptyStepOutput, type FoldStatus, type StepOutput } from '@weir/runtime';
import type { Learned } from '../clock/agent-clock.ts';
import { every } from '../clock/clock.ts';
import type { JournalGroup } from '../journal/journal.ts';
import type { CandidateChange } from './candidate-table.ts';
import type { CandidateStatus } from './candidates.ts';
import { type CommitDetail, commitOf, isEmpty } from './commit-detail.ts';
import { type Change, Deployments, type Kept } from './deployments.ts';
import { EventQueue, type OfferedEvent, type PendingEvent } from './event-queue.ts';
import { Handoff } from './handoff.ts';
import { LearnedTimes } from './learned-times.ts';
import type { DeployRequest, PipelineLimits, PipelinePorts } from './pipeline-ports.ts';
import { Rehearsals, type Verdicts } from './rehearsals.ts';
import { RuleLatency } from './rule-latency.ts';
import { soundAlerts } from './sound-alerts.ts';
import type { TrialKey } from './trial-table.ts';
import { UnderCommit } from './under-commit.ts';

interface PendingDeploy extends DeployRequest {
  verdicts: Verdicts;
  faults: ReadonlyMap<string, string>;
  resolve: () => void;
  reject: (error: Error) => void;
}

const STOPS = 'the agent stops';
const TICK_MS = 1_000;
/** A full disk is not free again at once. */
const REBUILD_DELAYS_MS = [100, 1_000, 5_000];

export class Pipeline {
  readonly latency = new RuleLatency();
  #ports: PipelinePorts;
  #deployments: Deployments | undefined;
  #handoff: Handoff;
  #limits: PipelineLimits;
  #rehearsals: Rehearsals;
  #stepNumber = 0;
  /** Inputs since the last row that were no rows and brought something about: ticks, deployments, starts. */
  #sinceRow = 0;
  #events = new EventQueue();
  /** Readings and events take turns, so that neither keeps the other waiting. */
  #wasEvent = false;
  #deploys: PendingDeploy[] = [];
  #deploying: PendingDeploy | undefined;
  #times: LearnedTimes;
  #tickDue = false;
  #underCommit: UnderCommit;
  #failed: Error | undefined;
  #rebuilds = 0;
  #running: Promise<void> | undefined;
  #stopped = false;
  #stopTicks = () => {};

  constructor(ports: PipelinePorts, limits: PipelineLimits) {
    this.#ports = ports;
    this.#times = new LearnedTimes(ports.clock, ports.stamp ?? (() => undefined));
    this.#underCommit = new UnderCommit(limits.uncommittedReadingsMax);
    this.#handoff = new Handoff(ports.spool, limits.handoffReadingsMax, ports.onDamaged ?? (() => {}));
    this.#limits = limits;
    this.#rehearsals = new Rehearsals({ ...ports, createHost: () => ports.createHost(() => {}) }, limits.trial);
  }

  /** Rows that are durable and were not handed to a step yet. */
  get lagRows(): number {
    return this.#handoff.lagRows;
  }

  /** Names of deployments that do not run until their bundle is here again; their states wait for it. */
  get damaged(): ReadonlySet<string> {
    return this.#deployments?.damaged ?? new Set();
  }

  /** What runs, as it is committed. */
  get kept(): Kept {
    return this.#deployments?.kept ?? new Map();
  }

  get candidates(): CandidateStatus[] {
    return this.#ports.candidates?.status() ?? [];
  }

  status(): FoldStatus[] {
    return this.#deployments?.status() ?? [];
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
    this.#times.rejectAll(new Error(STOPS));
    await this.#underCommit.settled();
    this.#events.rejectAll(new Error(STOPS));
    void Promise.resolve(this.#running).finally(() => this.#deployments?.host.dispose());
  }

  /** A group that is durable; groups come in order. */
  offer(group: JournalGroup): void {
    this.#handoff.offer(group);
    this.#wake();
  }

  /**
   * Runs an event after those that were offered before. Resolves when what it brought about is committed, together with
   * what is `settled`; rejects when the agent stops before.
   *
   * Exactly once in effect is what a row of the database asks for that `settled` removes: as long as it is there, it is
   * offered at each start, and it goes with the first commit. An event without such a row is run once at most: it is
   * lost when the agent ends before.
   *
   * Events wait in memory: who offers them keeps their number within bounds.
   */
  offerEvent(offered: OfferedEvent): Promise<void> {
    if (this.#stopped) return Promise.reject(new Error(STOPS));
    const committed = this.#events.add(offered);
    this.#wake();
    return committed;
  }

  /** Resolves when it runs, or the last good in its place, and that is committed. What is new is tried before, beside it. */
  async deploy(request: DeployRequest): Promise<void> {
    const { kept } = this;
    const beside = this.#ports.candidates;
    const faults = (await beside?.prepare(request.candidates ?? [])) ?? new Map<string, string>();
    const isFit = (key: TrialKey) => beside?.isFit(key) === true;
    const verdicts = await this.#rehearsals.of(request.targetOf(kept), kept, this.status(), isFit);
    if (this.#stopped) throw new Error(STOPS);
    return new Promise((resolve, reject) => {
      this.#deploys.push({ ...request, verdicts, faults, resolve, reject });
      this.#wake();
    });
  }

  /**
   * Time is known: whatever the functions keep of the time before is moved, and whoever reads what was stamped gets it set
   * right from there on. Resolves when that is committed; rejects when the agent stops before.
   */
  learn(learned: Learned): Promise<void> {
    if (this.#stopped) return Promise.reject(new Error(STOPS));
    const done = this.#times.add(learned);
    this.#wake();
    return done;
  }

  #wake(): void {
    if (this.#running !== undefined || this.#stopped || this.#deployments === undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#hasWork) this.#wake();
    });
  }

  get #hasWork(): boolean {
    const { hasReadings } = this.#handoff;
    return (
      !this.#stopped &&
      (hasReadings ||
        this.#tickDue ||
        this.#events.hasEvents ||
        this.#deploys.length > 0 ||
        this.#times.next !== undefined)
    );
  }

  get #isEventsTurn(): boolean {
    return this.#events.hasEvents && !(this.#wasEvent && this.#handoff.hasReadings);
  }

  async #run(): Promise<void> {
    while (this.#hasWork || (this.#failed !== undefined && !this.#stopped)) {
      try {
        if (this.#failed !== undefined) await this.#rebuild();
        else if (this.#times.next !== undefined) await this.#moveTime(this.#times.next);
        else if (this.#deploys.length > 0) await this.#runDeploy(this.#deploys.shift()!);
        else if (this.#tickDue) await this.#runTick();
        else if (this.#isEventsTurn) await this.#runEvent(this.#events.take());
        else await this.#runStep();
        await this.#underCommit.room();
      } catch (error) {
        if (!this.#stopped) this.#fail(error as Error);
      }
    }
  }

  async #runEvent(pending: PendingEvent): Promise<void> {
    const { event, position, letter, done } = pending;
    this.#wasEvent = true;
    const { host, deployed } = this.#deployments!;
    const taken = await host.event(event, position, this.#times.now());
    const settled = typeof pending.settled === 'function' ? pending.settled(taken) : pending.settled;
    const output = taken ?? emptyStepOutput();
    const dead = letter?.(deployed);
    if (dead !== undefined) output.deadLetters.push(dead);
    await this.#finish(output, position, { settled, done });
  }

  async #runStep(): Promise<void> {
    this.#wasEvent = false;
    const group = await this.#handoff.take();
    if (group === undefined) return;
    this.#rehearsals.note(group);
    const { id, receivedAt, columns, bytes } = group;
    const position = String(id);
    this.#sinceRow = 0;
    const output = await this.#deployments!.host.step({ position, receivedAt, columns });
    const readings = columns.index.length;
    await this.#finish(output, position, { through: id, passedBytes: bytes, readings, arrivedAt: receivedAt });
  }

  async #runTick(): Promise<void> {
    this.#tickDue = false;
    const now = this.#times.now();
    const position = this.#positionOf('tick');
    const output = await this.#deployments!.host.tick(now, position, this.#handoff.arrivedUntil(now));
    await this.#finish(output, position, {}, this.#deployments!.afterTrial(output));
  }

  /** Commits what a step brought about, with what follows from it for the deployments. */
  async #finish(output: StepOutput, position: string, detail: CommitDetail, trial?: Change): Promise<void> {
    const change = await this.#deployments!.afterStep(output, position, this.#times.now());
    if (change !== undefined || trial !== undefined) await this.#commitChange((change ?? trial)!, detail);
    else if (detail.through !== undefined || detail.settled !== undefined || !isEmpty(output)) {
      void this.#commit(output, detail);
    } else {
      // Without a change nothing is written: an idle device leaves its card alone.
      this.#passOver(output);
      detail.done?.();
    }
    this.#tellHealth();
  }

  /** Names an input that is no row: the same again if it is not committed, and no other. */
  #positionOf(kind: string): string {
    return `${this.#handoff.lastTaken}.${kind}.${this.#sinceRow + 1}`;
  }

  /** What changed nothing is not committed. */
  #passOver({ logs, usage }: StepOutput): void {
    this.#ports.onLogs(logs);
    this.#ports.onUncommitted(usage);
  }

  async #runDeploy(request: PendingDeploy): Promise<void> {
    const { targetOf, verdicts, hashesNeeded, resolve, reject } = request;
    const { candidates } = this.#ports;
    this.#deploying = request;
    try {
      const now = this.#times.now();
      const position = this.#positionOf('deploy');
      await this.#beginCandidates(request, position);
      const stateOf = (next: TrialKey) => candidates?.stateOf(next);
      const change = await this.#deployments!.change(targetOf, position, now, verdicts, stateOf);
      candidates?.end(request.candidates ?? []);
      await this.#commitChange(change, {}, hashesNeeded);
      if (this.#failed !== undefined) throw this.#failed;
      resolve();
    } catch (error) {
      reject(error as Error);
      throw error;
    } finally {
      this.#deploying = undefined;
    }
    this.#tellHealth();
  }

  /** Those that were there have done all by then that what runs has done; those that are new begin where it is. */
  async #beginCandidates({ candidates: wanted = [], faults }: PendingDeploy, position: string): Promise<void> {
    const { candidates } = this.#ports;
    if (candidates === undefined || (wanted.length === 0 && candidates.keys.length === 0)) return;
    await this.#underCommit.settled();
    if (this.#failed !== undefined) throw this.#failed;
    await candidates.settled();
    await candidates.begin(wanted, faults, position);
  }

  async #commitChange(change: Change, detail: CommitDetail, hashesNeeded?: readonly string[]): Promise<void> {
    const deployed = { running: change.kept, saves: change.saves, ...(hashesNeeded && { hashesNeeded }) };
    await this.#commit(change.output, { ...detail, deployed, runs: change.deployed });
    if (this.#failed === undefined && !this.#stopped) this.#deployments!.settle(change);
  }

  #tellHealth(): void {
    if (!this.#stopped && this.#failed === undefined && this.#deployments!.takeHealthChange()) this.#ports.onStatus();
  }

  #commit(
    output: StepOutput,
    { passedBytes = 0, readings = 1, runs, arrivedAt, done = () => {}, ...detail }: CommitDetail,
  ): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    const { spool, isConnected, onCommitted, onLogs, onFailure } = this.#ports;
    const { publishes, logs } = output;
    const alerts = soundAlerts(output.alerts, onFailure);
    const requests = this.#ports.requests.admit(output.requests, runs ?? this.#deployments!.deployed);
    const step = commitOf(output, detail, {
      number: ++this.#stepNumber,
      sinceRow: detail.through === undefined && !isEmpty(output) ? ++this.#sinceRow : undefined,
      ...{ alerts, requests, connected: isConnected(), now: this.#times.now(), time: this.#times.stamp() },
    });
    const write = (candidates: readonly CandidateChange[]) =>
      spool.call('commitStep', candidates.length === 0 ? step : { ...step, candidates });
    const { candidates } = this.#ports;
    const commit = (candidates === undefined ? write([]) : candidates.inStep(write)).then(
      ({ lanes, commands }) => {
        this.#rebuilds = 0;
        if (arrivedAt !== undefined) this.latency.add(alerts, this.#times.now() - arrivedAt);
        onCommitted({ passedBytes, alerts, publishes, lanes });
        this.#ports.requests.add(requests);
        this.#ports.commands.add(commands);
        onLogs(logs);
        done();
      },
      (error) => this.#fail(error),
    );
    this.#underCommit.add(commit, readings);
    return commit;
  }

  /** Between steps, with nothing under way. Groups in memory bear times of before: they are read anew. */
  async #moveTime(learned: Learned): Promise<void> {
    await this.#underCommit.settled();
    if (this.#failed !== undefined) return;
    await this.#commit(this.#deployments!.host.moveTime(learned), { learned });
    if (this.#failed !== undefined || this.#stopped) return;
    this.#times.done();
    this.#handoff.rewind(this.#handoff.lastTaken, this.#handoff.lastTaken);
  }

  #fail(error: Error): void {
    if (this.#failed !== undefined) return;
    this.#failed = error;
    this.#ports.onFailure('a step could not be committed', error);
  }

  async #rebuild(): Promise<void> {
    await this.#underCommit.settled();
    const delayMs = REBUILD_DELAYS_MS[Math.min(this.#rebuilds++, REBUILD_DELAYS_MS.length - 1)]!;
    await new Promise<void>((resolve) => this.#ports.clock.after(delayMs, resolve));
    if (this.#stopped) return;
    this.#deployments?.host.dispose();
    await this.#build();
  }

  /** A host that holds what was committed last. */
  async #build(): Promise<void> {
    const { spool, clock, createHost, log } = this.#ports;
    const state = await spool.call('state');
    this.#ports.requests.restart(state.requests);
    this.#ports.commands.add(state.commands);
    this.#events.rewind();
    this.#handoff.rewind(state.position, state.lastId);
    this.#stepNumber = state.step;
    this.#sinceRow = state.sinceRow;
    const { candidates } = this.#ports;
    await candidates?.open(state.candidates, state.trials);
    const deployments = new Deployments({
      ...{ spool, createHost, log, monotonic: () => clock.monotonic() },
      ...{ witness: candidates?.witness, endsMax: this.#limits.trial.endsMax },
    });
    const change = await deployments.open(state, this.#positionOf('start'), this.#times.now());
    this.#deployments = deployments;
    this.#failed = undefined;
    if (change.kept !== state.deployments) await this.#commitChange(change, {});
    else if (isEmpty(change.output)) this.#passOver(change.output);
    else void this.#commit(change.output, {});
    this.#tellHealth();
  }
}
