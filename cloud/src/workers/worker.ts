/**
 * Works off one partition of the log.
 *
 *     read -> decode -> drop what was received before -> functions and rules -> [ one write ] -> trim, tell
 *
 * The write carries what was received, history, latest values, states of functions, alert episodes and the position,
 * and holds only if no other worker has written meanwhile. After any failure the worker forgets what it had in memory
 * and goes on from what is committed; the same records bring about the same.
 *
 * A record that fails again and again must not hold up those behind it: first it is taken without functions, then it
 * is kept aside.
 */
import { type AlertTransition, alertsBetween, type Batch, concatColumns, decodeBatch } from '@weir/protocols';
import type { FoldHost, FoldStatus, LogLine, StepOutput } from '@weir/runtime';
import type { HubEvents, Origin } from '../api/events.ts';
import type { Clock } from '../clock/clock.ts';
import type { Downlink } from '../downlink/downlink.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { type Log, LogError, type LogRecord } from '../log/log.ts';
import type { Logger } from '../logger.ts';
import { sliceChunk } from '../store/history.ts';
import { type Change, type Store, StoreError } from '../store/store.ts';
import { COMMANDS_MAX, CommandCarrier, commandChange } from './commands.ts';
import { commit, Fence } from './commit.ts';
import { type Device, Devices } from './devices.ts';
import { Effects } from './effects.ts';
import type { WorkerCounts, WorkerLimits } from './limits.ts';
import type { Range } from './ranges.ts';
import { partsOf, type ReportHandlers, takeReports } from './reports.ts';

export interface WorkerPorts {
  log: Log;
  store: Store;
  fleet: Pick<Fleet, 'cloudDeployments' | 'cloudStatus' | 'bundle' | 'refused'>;
  downlink: Downlink;
  events: HubEvents;
  /** Told after a commit with fresh alert transitions. */
  wakeNotifier(): void;
  reports: ReportHandlers;
  makeHost(device: string, onStatus: (status: FoldStatus[]) => void): FoldHost;
  logger: Logger;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
}

const IDLE_WAIT_MS = 60_000;
const RETRY_MS_MAX = 5_000;
const TRIM_RECORDS = 500;

export class PartitionWorker {
  readonly partition: number;
  readonly #ports: WorkerPorts;
  readonly #limits: WorkerLimits;
  readonly #counts: WorkerCounts;
  readonly #fence: Fence;
  readonly #commands: CommandCarrier;
  readonly #devices: Devices;
  /** Devices to look at although they sent nothing: what should run for them has changed. */
  readonly #nudged = new Set<string>();
  #loaded = false;
  #stopped = false;
  #running: Promise<void> | undefined;
  /** Ends a wait for records. */
  #waiting = new AbortController();
  #nextTickAt = 0;
  #consumed = 0;
  /** The record that is being taken in, and how often it failed. */
  #current: LogRecord | undefined;
  #suspect: { position: string; attempts: number } | undefined;
  #failures = 0;
  #logged = { second: 0, lines: 0, unsaid: 0 };

  constructor(partition: number, ports: WorkerPorts, limits: WorkerLimits, counts: WorkerCounts) {
    this.partition = partition;
    this.#ports = ports;
    this.#limits = limits;
    this.#counts = counts;
    this.#fence = new Fence(ports.store, partition);
    this.#commands = new CommandCarrier(partition, ports);
    const onError = (device: string, what: string, error: Error) =>
      ports.logger.error({ device, error: error.message }, what);
    this.#devices = new Devices({ ...ports, onError });
  }

  start(): void {
    this.#running ??= this.#run();
    this.#commands.wake();
  }

  /** Resolves when what was being committed is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.abort();
    await this.#running;
    await this.#commands.stop();
    this.#devices.clear();
  }

  /** Looks soon at what should run for the device. */
  nudge(device: string): void {
    this.#nudged.add(device);
    this.#waiting.abort();
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
      await this.#commands.load();
      this.#loaded = true;
    }
    const waitMs = this.#nudged.size > 0 ? 0 : this.#waitMs();
    // One at a time while one of them is under suspicion, so that it fails alone.
    const limit = this.#suspect === undefined ? this.#limits.readMax : 1;
    const { signal } = this.#waiting;
    const records = await log.read(this.partition, this.#fence.position, { limit, waitMs, signal });
    if (records.length > 0) await this.#takeAll(records);
    if (this.#nudged.size > 0) await this.#convergeNudged();
    if (this.#devices.anyActive() && clock.now() >= this.#nextTickAt) await this.#tick();
    if (this.#consumed >= TRIM_RECORDS || (this.#consumed > 0 && records.length < limit)) await this.#trim();
    this.#devices.evict(this.#limits.devicesMax);
  }

  async #takeAll(records: readonly LogRecord[]): Promise<void> {
    let effects = new Effects();
    for (const record of records) {
      this.#current = record;
      const batch = this.#decode(record);
      // Alerts that came from a device and alerts of the cloud are recorded by separate commits.
      if (batch?.kind === 'readings' && effects.origin === 'edge') effects = await this.#commit(effects);
      if (batch?.kind === 'alerts' && effects.origin === 'cloud') effects = await this.#commit(effects);
      effects = await this.#take(record, batch, effects);
      effects.position = record.position;
      effects.records++;
      if (effects.full) effects = await this.#commit(effects);
    }
    if (!effects.empty) await this.#commit(effects);
    this.#current = undefined;
    this.#suspect = undefined;
  }

  /** Undefined when it is to be kept aside. */
  #decode(record: LogRecord): Batch | undefined {
    const { attemptsMax } = this.#limits;
    if (this.#attemptsAt(record) >= 2 * attemptsMax) return undefined;
    return decodeBatch(record.payload);
  }

  /** @returns what is to be committed from here on */
  async #take(record: LogRecord, batch: Batch | undefined, effects: Effects): Promise<Effects> {
    if (batch === undefined) {
      this.#counts.keptAside++;
      await this.#keepAside(record, 'unprocessable');
      return effects;
    }
    const device = await this.#devices.get(record.device);
    if (batch.kind === 'reports') return this.#takeReports(record, batch, device, effects);
    const { seq, count } = batch;
    const missing = device.state.receive(record.lane, batch.epoch, seq, count, record.receivedAt);
    const fresh = missing.reduce((sum, [from, to]) => sum + to - from, 0);
    effects.duplicates += count - fresh;
    if (fresh === 0) return effects;
    effects.touch(device.state);
    const parts = missing.map(([from, to]): Range => [from - seq, to - seq]);
    if (batch.kind === 'alerts') {
      const alerts = parts.flatMap(([from, to]) => alertsBetween(batch, from, to));
      this.#addTransitions('edge', device, alerts, effects);
    } else await this.#takeReadings(record, batch, parts, device, effects);
    return effects;
  }

  /** Each part with a commit of its own, so that a handler sees what the one before it did. */
  async #takeReports(
    record: LogRecord,
    batch: Batch & { kind: 'reports' },
    { state: device }: Device,
    before: Effects,
  ): Promise<Effects> {
    let effects = before;
    for (const part of partsOf(batch)) {
      if (!effects.empty) effects = await this.#commit(effects);
      await takeReports(record, batch, part, { device, effects, now: this.#ports.clock.now() }, this.#ports);
    }
    return effects;
  }

  async #takeReadings(
    record: LogRecord,
    batch: Batch & { kind: 'readings' },
    parts: readonly Range[],
    device: Device,
    effects: Effects,
  ): Promise<void> {
    const { lane, receivedAt, position } = record;
    const whole = { device: record.device, lane, epoch: batch.epoch, seq: batch.seq, columns: batch.columns };
    const chunks = parts.map(([from, to]) => sliceChunk({ ...whole, encoded: record.payload }, from, to));
    for (const chunk of chunks) {
      effects.add(device.state.keep(chunk, receivedAt));
      effects.readings += chunk.columns.index.length;
    }
    if (this.#attemptsAt(record) >= this.#limits.attemptsMax) {
      await this.#keepAside(record, 'functions-failed');
      return;
    }
    await this.#converge(device, effects);
    const columns = concatColumns(chunks.map((chunk) => chunk.columns));
    const output = await device.folds.step(position, receivedAt, columns);
    if (output !== undefined) this.#absorb(device, output, effects);
  }

  #absorb(device: Device, output: StepOutput, effects: Effects): void {
    const { clock } = this.#ports;
    const { emitted, alerts, publishes, logs } = output;
    effects.touch(device.folds);
    if (emitted.index.length > 0) {
      effects.touch(device.state);
      effects.add(device.state.keepEmitted(emitted, clock.now()));
    }
    const admitted = this.#commands.admit(publishes);
    if (admitted.length < publishes.length) this.#tellDropped(device, publishes.length - admitted.length);
    effects.add(admitted.map((publish) => commandChange(this.partition, device.state.device, publish)));
    this.#addTransitions('cloud', device, alerts, effects);
    this.#log(device, logs);
  }

  #tellDropped(device: Device, commands: number): void {
    this.#counts.commandsDropped += commands;
    const text = `${commands} commands to devices dropped: over ${COMMANDS_MAX} wait for the downlink`;
    this.#log(device, [{ fold: 'commands', level: 'warn', text, ts: this.#ports.clock.now() }]);
  }

  /** What functions say, up to a rate: one that says too much must not fill the disk of the hub. */
  #log(device: Device, lines: readonly LogLine[]): void {
    const { logger, clock } = this.#ports;
    const second = Math.floor(clock.now() / 1000);
    if (second !== this.#logged.second) {
      const { unsaid } = this.#logged;
      if (unsaid > 0) logger.warn({ partition: this.partition, lines: unsaid }, 'log lines of functions were left out');
      this.#logged = { second, lines: 0, unsaid: 0 };
    }
    for (const { fold, level, text, ts } of lines) {
      if (++this.#logged.lines > this.#limits.logLinesPerSecond) this.#logged.unsaid++;
      else logger[level]({ device: device.state.device, fold, ts }, text);
    }
  }

  /** A device speaks of itself alone. The front has told of those that do not. */
  #addTransitions(origin: Origin, device: Device, alerts: readonly AlertTransition[], effects: Effects): void {
    effects.addTransitions(
      origin,
      alerts.filter((alert) => alert.device === device.state.device),
    );
  }

  async #converge(device: Device, effects: Effects): Promise<void> {
    for (const output of await device.folds.converge(this.#ports.clock.now())) this.#absorb(device, output, effects);
  }

  async #convergeNudged(): Promise<void> {
    const names = [...this.#nudged];
    this.#nudged.clear();
    const devices: Device[] = [];
    for (const name of names) devices.push(await this.#devices.get(name));
    await this.#each(devices, (device, effects) => this.#converge(device, effects));
  }

  async #tick(): Promise<void> {
    const { clock } = this.#ports;
    await this.#each(this.#devices.active(), async (device, effects) => {
      await this.#converge(device, effects);
      const output = await device.folds.tick(clock.now());
      if (output !== undefined && !isQuiet(output)) this.#absorb(device, output, effects);
    });
    this.#nextTickAt = clock.now() + this.#limits.tickMs;
  }

  /** Does it for each device and commits; one that fails is told and let go, and is loaded again when it is next heard of. */
  async #each(devices: readonly Device[], action: (device: Device, effects: Effects) => Promise<void>): Promise<void> {
    for (const device of devices) {
      const effects = new Effects();
      try {
        await action(device, effects);
      } catch (error) {
        if (isOfTheWorld(error as Error)) throw error;
        this.#counts.failures++;
        const { device: name } = device.state;
        this.#ports.logger.error(
          { device: name, error: (error as Error).message },
          'cloud functions of a device failed',
        );
        this.#devices.drop(name);
        continue;
      }
      if (!effects.empty) await this.#commit(effects);
    }
  }

  async #commit(effects: Effects): Promise<Effects> {
    const { store, events, clock } = this.#ports;
    const fresh = await commit(effects, store, this.#fence, clock.now());
    this.#consumed += effects.records;
    this.#counts.records += effects.records;
    this.#counts.readings += effects.readings;
    this.#counts.duplicates += effects.duplicates;
    this.#counts.alerts += fresh.length;
    this.#counts.reports += effects.reports;
    for (const transition of fresh)
      events.emit({ type: 'transition', at: clock.now(), transition, origin: effects.origin! });
    if (fresh.length > 0) this.#ports.wakeNotifier();
    if (effects.repeatable.some(isCommand)) this.#commands.wake();
    return new Effects();
  }

  async #trim(): Promise<void> {
    this.#consumed = 0;
    if (this.#fence.position !== undefined) await this.#ports.log.trim(this.partition, this.#fence.position);
  }

  async #recover(error: Error): Promise<void> {
    const { logger, clock } = this.#ports;
    this.#devices.clear();
    this.#loaded = false;
    const conflict = error instanceof StoreError && error.code === 'conflict';
    this.#counts[conflict ? 'conflicts' : 'failures']++;
    if (!conflict && !isOfTheWorld(error)) this.#suspectCurrent();
    if (this.#stopped) return;
    const waitMs = Math.min(RETRY_MS_MAX, this.#limits.retryMs * 2 ** Math.min(this.#failures++, 16));
    const fields = { partition: this.partition, position: this.#current?.position, waitMs, error: error.message };
    if (conflict) logger.info(fields, 'another writer was first; what is committed is read again');
    else logger.error({ ...fields, stack: error.stack }, 'a partition could not be worked off; it is tried again');
    const chance = this.#ports.random(1)[0]! / 256;
    await clock.sleep(waitMs * (0.5 + chance / 2), this.#waiting.signal);
  }

  #suspectCurrent(): void {
    const position = this.#current?.position;
    if (position === undefined) return;
    const known = this.#suspect?.position === position ? this.#suspect.attempts : 0;
    this.#suspect = { position, attempts: known + 1 };
  }

  #attemptsAt({ position }: LogRecord): number {
    return this.#suspect?.position === position ? this.#suspect.attempts : 0;
  }

  async #keepAside({ device, payload, position }: LogRecord, reason: string): Promise<void> {
    const detail = `log position ${position} of partition ${this.partition} failed again and again`;
    this.#ports.logger.error({ device, position, reason }, 'a record is kept aside');
    await this.#ports.fleet.refused(device, reason, detail, payload);
  }

  #waitMs(): number {
    return this.#devices.anyActive() ? Math.max(0, this.#nextTickAt - this.#ports.clock.now()) : IDLE_WAIT_MS;
  }
}

/** No fault of a record: the store or the log cannot work at the moment. */
function isOfTheWorld(error: Error): boolean {
  if (error instanceof StoreError) return error.code !== 'too-large';
  return error instanceof LogError;
}

function isQuiet({ states, emitted, alerts, publishes, logs }: StepOutput): boolean {
  return [states, emitted.index, alerts, publishes, logs].every((list) => list.length === 0);
}

function isCommand(change: Change): boolean {
  return 'put' in change && change.put.table === 'command';
}
