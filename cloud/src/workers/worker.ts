/**
 * Works off one partition of the log.
 *
 *     read -> decode -> drop what was received before -> functions and rules -> [ one write ] -> trim, tell
 *
 * The write carries what was received, history, latest values, states of functions, alert episodes and the position,
 * and holds only if no other worker has written meanwhile. After any failure the worker forgets what it had in memory
 * and goes on from what is committed; the same records bring about the same.
 *
 * Between records it runs events: what comes to functions beside readings, each committed with the changes that settle it.
 *
 * A record that fails again and again must not hold up those behind it: first it is taken without functions, then it
 * is kept aside.
 */
import type { LogLine } from '@weir/runtime';
import type { HubEvents } from '../api/events.ts';
import type { Clock } from '../clock/clock.ts';
import type { Commands } from '../commands/commands.ts';
import type { Downlink } from '../downlink/downlink.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { type Log, LogError, type LogRecord } from '../log/log.ts';
import type { Logger } from '../logger.ts';
import { type Change, type Store, StoreError } from '../store/store.ts';
import { CloudUsage, type CloudUsageOptions } from '../usage/cloud-usage.ts';
import { endAlerts } from './alert-ends.ts';
import { commit, Fence } from './commit.ts';
import type { HostPorts } from './device-folds.ts';
import { type Device, Devices } from './devices.ts';
import { Effects } from './effects.ts';
import { EventQueue, type OfferedEvent, type PendingEvent } from './event-queue.ts';
import { Folds } from './folds.ts';
import { Gathering } from './gather/gathering.ts';
import { Intake, type IntakePorts } from './intake.ts';
import { LetterAsks } from './letter-asks.ts';
import type { WorkerCounts, WorkerLimits } from './limits.ts';
import { PublishCarrier } from './publishes.ts';
import type { ReportHandlers } from './reports.ts';
import { PartitionRequests, type RequestService } from './requests.ts';
import { Suspect } from './suspect.ts';
import { Ticking } from './ticking.ts';
import { Trimming } from './trimming.ts';

export interface WorkerPorts extends Pick<IntakePorts, 'onBackfilled'>, HostPorts {
  log: Log;
  store: Store;
  fleet: Pick<Fleet, 'cloudDeployments' | 'cloudStatus' | 'cloudBundle' | 'refused'>;
  downlink: Downlink;
  events: HubEvents;
  /** Told after a commit with fresh alert transitions. */
  wakeNotifier(): void;
  reports: ReportHandlers;
  commands: Pick<Commands, 'admit'>;
  requests: RequestService;
  usage: Pick<CloudUsageOptions, 'keepMs' | 'counts'>;
  /** What functions of a device log. */
  onLogs?(device: string, lines: readonly LogLine[]): void;
  logger: Logger;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
}

const IDLE_WAIT_MS = 60_000;
const RETRY_MS_MAX = 5_000;
/** Run before records are looked for again. */
const EVENTS_PER_TURN = 100;
/** Letters of one device that are run again before records are looked for again. */
const ASKS_PER_TURN = 50;
/** Too much waits for a gatherer; it is looked again whether that is still so. */
const FULL_WAIT_MS = 50;
const STOPS = 'the hub stops';

export class PartitionWorker {
  readonly partition: number;
  readonly #ports: WorkerPorts;
  readonly #limits: WorkerLimits;
  readonly #counts: WorkerCounts;
  readonly #fence: Fence;
  readonly #publishes: PublishCarrier;
  readonly #requests: PartitionRequests;
  readonly #events = new EventQueue();
  readonly #devices: Devices;
  readonly #usage: CloudUsage;
  readonly #folds: Folds;
  readonly #asks: LetterAsks;
  readonly #suspect: Suspect;
  readonly #intake: Intake;
  readonly #gathering: Gathering;
  readonly #trimming: Trimming;
  /** To look at although there is no record of them: what should run for them has changed, or something waits. */
  readonly #nudged = new Set<string>();
  #loaded = false;
  #stopped = false;
  #running: Promise<void> | undefined;
  /** Ends a wait for records. */
  #waiting = new AbortController();
  readonly #ticking: Ticking;
  /** The record that is being taken in. */
  #current: LogRecord | undefined;
  #failures = 0;

  /** @param tell that something waits for a gatherer, of whichever partition it is */
  constructor(
    partition: number,
    ports: WorkerPorts,
    limits: WorkerLimits,
    counts: WorkerCounts,
    tell: (gatherer: string) => void,
  ) {
    this.partition = partition;
    this.#ports = ports;
    this.#limits = limits;
    this.#counts = counts;
    this.#fence = new Fence(ports.store, partition);
    this.#publishes = new PublishCarrier(partition, ports);
    this.#requests = new PartitionRequests(partition, {
      ...{ store: ports.store, service: ports.requests, counts, now: ports.clock.now },
      offerEvent: (event) => this.offerEvent(event),
    });
    const onError = (device: string, what: string, error: Error) =>
      ports.logger.error({ device, error: error.message }, what);
    this.#devices = new Devices({ ...ports, onError });
    this.#usage = new CloudUsage({ ...ports.usage, store: ports.store, partition });
    this.#folds = new Folds({
      ...ports,
      ...limits,
      partition,
      counts,
      publisher: this.#publishes,
      requests: this.#requests,
      usage: this.#usage,
    });
    this.#asks = new LetterAsks({ store: ports.store, folds: this.#folds, now: ports.clock.now });
    this.#suspect = new Suspect(limits.attemptsMax);
    this.#trimming = new Trimming(partition, ports);
    this.#ticking = new Ticking(ports.clock, limits.tickMs);
    this.#intake = new Intake({
      ...ports,
      partition,
      devices: this.#devices,
      folds: this.#folds,
      suspect: this.#suspect,
      counts,
      now: ports.clock.now,
      commit: (effects) => this.#commit(effects),
    });
    this.#gathering = new Gathering({ ...ports, ...limits, partition, folds: this.#folds, counts, tell });
  }

  start(): void {
    this.#running ??= this.#run();
    this.#publishes.wake();
  }

  /** Resolves when what was being committed is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.abort();
    await this.#running;
    this.#events.rejectAll(new Error(STOPS));
    await this.#publishes.stop();
    this.#devices.clear();
  }

  /** Looks soon at what should run for a device, at what is asked about its letters, and at what waits for a gatherer. */
  nudge(device: string): void {
    this.#nudged.add(device);
    this.#waiting.abort();
  }

  /**
   * Runs an event for a device after those that were offered before. Resolves when what it brought about is committed,
   * together with the changes that settle it; rejects when the hub stops before.
   *
   * Exactly once in effect is what an item of the store asks for that those changes remove: as long as it is there, it
   * is offered at each start, and `isDue` says whether it still is. An event without such an item is run once at most.
   *
   * Events wait in memory: who offers them keeps their number within bounds.
   */
  offerEvent(offered: OfferedEvent): Promise<void> {
    if (this.#stopped) return Promise.reject(new Error(STOPS));
    const done = this.#events.add(offered);
    this.#waiting.abort();
    return done;
  }

  /** Records that wait. */
  lag(): Promise<number> {
    return this.#ports.log.lag(this.partition, this.#fence.position);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#waiting = new AbortController();
      try {
        await this.#turn();
        this.#failures = 0;
      } catch (error) {
        await this.#recover(error as Error);
      }
    }
  }

  async #turn(): Promise<void> {
    const { log, clock } = this.#ports;
    this.#current = undefined;
    if (!this.#loaded) {
      await this.#fence.load();
      await this.#publishes.load();
      await this.#requests.load();
      this.#loaded = true;
      this.#gathering.tellAll();
    }
    const full = await this.#gathering.full();
    const waitMs = this.#nudged.size > 0 || this.#events.length > 0 ? 0 : this.#waitMs();
    const limit = this.#suspect.known ? 1 : this.#limits.readMax;
    const { signal } = this.#waiting;
    const records =
      full.size > 0
        ? await clock.sleep(Math.min(waitMs, FULL_WAIT_MS), signal).then(() => [])
        : await log.read(this.partition, this.#fence.position, { limit, waitMs, signal });
    if (records.length > 0) await this.#takeAll(records);
    if (this.#nudged.size > 0) await this.#lookAtNudged(full);
    for (let left = EVENTS_PER_TURN; left > 0 && this.#events.first !== undefined; left--) {
      await this.#runEvent(this.#events.first);
    }
    if (this.#isTicking && this.#ticking.waitMs === 0) await this.#tick(full);
    if (this.#trimming.isDue) await this.#trimming.trim(this.#fence.position);
    this.#devices.evict(this.#limits.devicesMax);
  }

  async #takeAll(records: readonly LogRecord[]): Promise<void> {
    let effects = new Effects();
    for (const record of records) {
      this.#current = record;
      effects = await this.#intake.take(record, effects);
      effects.position = record.position;
      effects.records++;
      if (effects.full) effects = await this.#commit(effects);
    }
    if (!effects.empty) await this.#commit(effects);
    this.#current = undefined;
    this.#suspect.clear();
  }

  async #lookAtNudged(full: ReadonlySet<string>): Promise<void> {
    const names = [...this.#nudged];
    this.#nudged.clear();
    this.#gathering.lookAt(names);
    try {
      const devices: Device[] = [];
      for (const name of names) devices.push(await this.#devices.get(name));
      await this.#each(devices, async (device, effects) => {
        await this.#folds.converge(device, effects);
        const ports = { ...this.#ports, folds: this.#folds, isBehind: async () => (await this.lag()) > 0 };
        if (await endAlerts(ports, device, effects)) this.#nudged.add(device.state.device);
        await this.#gathering.take(device, full, effects, () => this.#nudged.add(device.state.device));
      });
      for (const name of names) await this.#settleAsks(name);
    } catch (error) {
      // Nobody nudges again for what was not done.
      for (const name of names) this.#nudged.add(name);
      throw error;
    }
  }

  /** Each with a commit of its own; one that fails holds up none behind it. */
  async #settleAsks(name: string): Promise<void> {
    const due = await this.#asks.due(name);
    const turn = due.slice(0, ASKS_PER_TURN);
    for (const ask of turn) {
      const look = async (how: 'settle' | 'giveUp') =>
        this.#each([await this.#devices.get(name)], (device, effects) => this.#asks[how](ask, device, effects));
      if (!(await look('settle'))) await look('giveUp');
    }
    if (due.length > turn.length) this.#nudged.add(name);
  }

  async #runEvent(pending: PendingEvent): Promise<void> {
    const { event, position, letter, settles, isDue = () => true } = pending;
    if (!isDue()) return pending.done();
    const effects = new Effects();
    const device = await this.#devices.get(pending.device);
    try {
      // One that fails again and again is settled without being run: it must not hold up those behind it.
      if (pending.failures < this.#limits.attemptsMax) {
        await this.#folds.event(device, event, { position, receivedAt: this.#ports.clock.now() }, effects);
      }
      const dead = letter?.(device.folds.deployed);
      if (dead !== undefined) await this.#folds.keepLetters(device, [dead], effects);
    } catch (error) {
      if (isOfTheWorld(error as Error)) throw error;
      pending.failures++;
      return this.#letGo(pending.device, error as Error);
    }
    if (settles !== undefined) {
      const { changes, committed } = settles();
      effects.addOnce(changes, committed);
    }
    if (!effects.empty) await this.#commit(effects);
    pending.done();
  }

  /** While too much waits for a gatherer, those that would add to it wait too. */
  async #tick(full: ReadonlySet<string>): Promise<void> {
    const { lost } = this.#devices;
    const waited: Device[] = [];
    for (const name of [...this.#gathering.waited, ...lost]) waited.push(await this.#devices.get(name));
    await this.#each([...new Set([...this.#devices.active(), ...waited])], async (device, effects) => {
      if (!device.folds.feeds.reach(full)) await this.#folds.tick(device, effects);
      await this.#gathering.take(device, full, effects, () => this.#nudged.add(device.state.device));
    });
    this.#devices.found(lost);
    this.#ticking.done();
  }

  /**
   * Does it for each device and commits; one that fails is told and let go, and loaded again when it is heard of or ticks.
   * @returns whether all went well
   */
  async #each(
    devices: readonly Device[],
    action: (device: Device, effects: Effects) => Promise<void>,
  ): Promise<boolean> {
    let ok = true;
    for (const device of devices) {
      const effects = new Effects();
      try {
        await action(device, effects);
      } catch (error) {
        if (isOfTheWorld(error as Error)) throw error;
        this.#letGo(device.state.device, error as Error);
        ok = false;
        continue;
      }
      if (!effects.empty) await this.#commit(effects);
    }
    return ok;
  }

  /** What it had in memory may be half done. */
  #letGo(device: string, error: Error): void {
    this.#counts.failures++;
    this.#ports.logger.error({ device, error: error.message }, 'cloud functions of a device failed');
    this.#devices.drop(device);
    this.#requests.recount();
  }

  async #commit(effects: Effects): Promise<Effects> {
    const { store, events, clock } = this.#ports;
    await this.#usage.account(effects, clock.now());
    this.#gathering.willHandOn(effects.handedOn);
    const { fresh, handedOn } = await commit(effects, store, this.#fence, clock.now());
    this.#trimming.add(effects.records);
    this.#counts.records += effects.records;
    this.#counts.readings += effects.readings;
    this.#counts.duplicates += effects.duplicates;
    this.#counts.alerts += fresh.length;
    this.#counts.reports += effects.reports;
    for (const each of fresh) events.emit({ type: 'transition', at: clock.now(), ...each });
    if (fresh.length > 0) this.#ports.wakeNotifier();
    if (effects.repeatable.some(isPublish)) this.#publishes.wake();
    this.#gathering.hasHandedOn(handedOn);
    return new Effects();
  }

  async #recover(error: Error): Promise<void> {
    const { logger, clock } = this.#ports;
    this.#devices.clear();
    this.#loaded = false;
    const conflict = error instanceof StoreError && error.code === 'conflict';
    this.#counts[conflict ? 'conflicts' : 'failures']++;
    if (!conflict && !isOfTheWorld(error) && this.#current !== undefined) this.#suspect.failed(this.#current);
    if (this.#stopped) return;
    const waitMs = Math.min(RETRY_MS_MAX, this.#limits.retryMs * 2 ** Math.min(this.#failures++, 16));
    const fields = { partition: this.partition, position: this.#current?.position, waitMs, error: error.message };
    if (conflict) logger.info(fields, 'another writer was first; what is committed is read again');
    else logger.error({ ...fields, stack: error.stack }, 'a partition could not be worked off; it is tried again');
    const chance = this.#ports.random(1)[0]! / 256;
    await clock.sleep(waitMs * (0.5 + chance / 2), this.#waiting.signal);
  }

  #waitMs(): number {
    return Math.min(this.#isTicking ? this.#ticking.waitMs : IDLE_WAIT_MS, this.#trimming.waitMs);
  }

  get #isTicking(): boolean {
    return this.#devices.anyActive() || this.#gathering.waited.length > 0;
  }
}

/** No fault of a record: the store or the log cannot work at the moment. */
function isOfTheWorld(error: Error): boolean {
  if (error instanceof StoreError) return error.code !== 'too-large';
  return error instanceof LogError;
}

function isPublish(change: Change): boolean {
  return 'put' in change && change.put.table === 'publish';
}
