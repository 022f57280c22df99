/**
 * The spool on a disk that fails: opens it, whatever it takes, watches what becomes of its calls, and says how it stands.
 *
 *     open    a damaged file is put aside and what can be read of it goes on; a disk that is full, read-only or failing is
 *             waited for
 *     calls   one that finds no room releases the ballast; readings come in from there on as far as older ones may go
 *     watch   as long as something is wrong the disk is tried again and again
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { WeirReported } from '@weir/protocols';
import type { SqliteFigures, SqliteThread } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import type { Ballast } from './ballast.ts';
import { afterDiskEvent, type Disk, type DiskEvent, initialDisk } from './disk.ts';
import { diskFault } from './disk-fault.ts';
import { lossFigures, lossWords } from './loss.ts';
import type { SpoolOperations } from './operations.ts';
import { Quarantine, type QuarantinedFile } from './quarantine.ts';
import { checkAtStart } from './quick-check.ts';
import { type Salvaged, salvage } from './salvage.ts';
import type { Spool } from './spool.ts';

export interface StorageLimits {
  ballastBytes: number;
  quarantine: { filesMax: number; bytesMax: number };
}

export interface StoragePorts {
  clock: Clock;
  open: (file: string) => Promise<SqliteThread<SpoolOperations>>;
  /** On the same disk. */
  ballast: Pick<Ballast, 'size' | 'make' | 'release' | 'probe'>;
  /** Words for what a damaged file does not tell. */
  words: { life: string; run: string };
  log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** Resolves when there is no more to wait for. */
  ended: Promise<unknown>;
}

/** What became of a damaged file. */
export type Restored = Omit<Salvaged, 'rows'> & { at: number };

export type StorageHealth = NonNullable<NonNullable<WeirReported['health']>['storage']>;

export interface StorageStatus extends Disk {
  ballastBytes: number;
  figures: SqliteFigures;
  /** Undefined: the database is the one that was made first. */
  restored: Restored | undefined;
  quarantined: QuarantinedFile[];
}

export const SPOOL_FILE = 'spool.db';
const WATCH_MS = 5_000;
/** Between attempts to open; a card that is replaced, or a disk that is made free, is noticed soon enough. */
const OPEN_DELAYS_MS = [1_000, 5_000, 30_000];
/** Of readings; the rest of a large file is counted as lost, for nothing is taken in meanwhile. */
const SALVAGE_MS = 60_000;

export class Storage implements Spool {
  readonly #folder: string;
  readonly #file: string;
  readonly #ports: StoragePorts;
  readonly #limits: StorageLimits;
  readonly #ballast: StoragePorts['ballast'];
  readonly #quarantine: Quarantine;
  #thread: SqliteThread<SpoolOperations> | undefined;
  #disk: Disk;
  #watching: Promise<void> | undefined;
  #stopWatching = () => {};
  #isClosed = false;
  #isEnded = false;
  #restored: Restored | undefined;
  #onChange = () => {};
  #onDamage = (_error: Error) => {};

  /** @param folder that of the agent's data, locked by it */
  constructor(folder: string, ports: StoragePorts, limits: StorageLimits) {
    this.#folder = folder;
    this.#file = join(folder, SPOOL_FILE);
    this.#ports = ports;
    this.#limits = limits;
    this.#ballast = ports.ballast;
    this.#quarantine = new Quarantine(this.#file, limits.quarantine);
    this.#disk = initialDisk(ports.clock.now());
  }

  /** What the hub is to know; undefined: all is well. */
  get health(): StorageHealth | undefined {
    if (this.#disk.state === 'ok' && this.#restored === undefined) return undefined;
    return {
      state: this.#disk.state,
      since: this.#disk.since,
      ...(this.#restored !== undefined && { restoredAt: this.#restored.at, ...lossFigures(this.#restored) }),
    };
  }

  /**
   * Opens what is there.
   * @param damage what was found wrong with the file while it was open
   * @returns when that was possible; false: it is to end before
   * @throws what no waiting changes
   */
  async open(damage?: string): Promise<boolean> {
    let fault = damage;
    for (let attempt = 0; ; attempt++) {
      try {
        if (this.#quarantine.isUnderWay) this.#restore('a restart in between');
        fault ??= existsSync(this.#file) ? checkAtStart(this.#file) : undefined;
        if (fault !== undefined) this.#restore(fault);
        fault = undefined;
        this.#thread = await this.#ports.open(this.#file);
        await this.#handle({ type: 'probed', probe: await this.#ballast.probe() });
        if (this.#disk.state === 'ok' && !(await this.#ballast.make())) await this.#onFull('no room for the ballast');
        const restored = await this.#thread.call('restored');
        if (restored !== undefined) this.#restored = JSON.parse(restored) as Restored;
        return true;
      } catch (error) {
        fault = await this.#afterFailedOpen(error as Error, attempt);
        if (this.#isEnded) return false;
      }
    }
  }

  /** Called whenever the disk is in another state. */
  onChange(run: () => void): void {
    this.#onChange = run;
  }

  /** Called whenever an answer says that the file is damaged, whoever had asked: it has to be put aside. */
  onDamage(run: (error: Error) => void): void {
    this.#onDamage = run;
  }

  call = ((name: keyof SpoolOperations, ...args: unknown[]) => {
    const isArrival = name === 'append' && this.#disk.state === 'full';
    // Their types are the caller's.
    const call = this.#thread!.call.bind(this.#thread!) as (name: string, ...args: unknown[]) => Promise<unknown>;
    const answer = isArrival ? call('appendWhenFull', ...args, this.#now) : call(name, ...args);
    // That there is no room for what came while the disk was known to be full says nothing new: by then there may be
    // room, and the ballast under way.
    answer.catch((error) => this.#failed(error, isArrival));
    return answer;
  }) as Spool['call'];

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWatching();
    await this.#watching;
    await this.#thread?.close();
  }

  async status(): Promise<StorageStatus> {
    const [figures, ballastBytes] = await Promise.all([this.#thread!.figures(), this.#ballast.size()]);
    return {
      ...this.#disk,
      ballastBytes,
      figures,
      restored: this.#restored,
      quarantined: this.#quarantine.kept(),
    };
  }

  get #now(): number {
    return this.#ports.clock.now();
  }

  /** @returns what is damaged @throws when it is not to be tried again */
  async #afterFailedOpen(error: Error, attempt: number): Promise<string | undefined> {
    const { log, clock, ended } = this.#ports;
    const code = diskFault(error);
    if (code === undefined) throw error;
    if (code === 'corrupt') return error.message;
    if (code === 'full') await this.#onFull(error.message);
    const delayMs = OPEN_DELAYS_MS[Math.min(attempt, OPEN_DELAYS_MS.length - 1)]!;
    log('error', `${this.#folder} cannot be used: ${error.message}; it is tried again in ${delayMs / 1_000} s`);
    let cancel = () => {};
    const later = new Promise<void>((resolve) => {
      cancel = clock.after(delayMs, resolve);
    });
    const end = ended.then(() => {
      this.#isEnded = true;
    });
    await Promise.race([later, end]);
    cancel();
    return undefined;
  }

  #restore(fault: string): void {
    const { log, clock, words } = this.#ports;
    log('error', `the database is damaged (${fault}): it is put aside, and what can be read of it goes on`);
    if (!this.#quarantine.isUnderWay) this.#quarantine.begin();
    const end = clock.monotonic() + SALVAGE_MS;
    const options = { ...words, now: this.#now, hasTime: () => clock.monotonic() < end };
    const { outcome, name } = this.#quarantine.finish((from, to) => salvage(from, to, options), this.#now);
    if (outcome === undefined) return;
    log('warn', `${name}: ${lossWords(outcome)}`);
    log('warn', `tables that could not be read whole: ${outcome.damaged.join(', ') || 'none'}`);
  }

  #failed(error: unknown, wasKnownFull: boolean): void {
    const code = diskFault(error as Error);
    if (code === 'corrupt') this.#onDamage(error as Error);
    if (code === 'full' && !wasKnownFull) void this.#onFull((error as Error).message);
    if (code === 'readonly' || code === 'io')
      void this.#handle({ type: 'failed', code, message: (error as Error).message });
  }

  #onFull(message: string): Promise<void> {
    return this.#handle({ type: 'failed', code: 'full', message });
  }

  async #handle(event: DiskEvent): Promise<void> {
    const before = this.#disk.state;
    const { disk, effects } = afterDiskEvent(this.#disk, event, this.#now, this.#limits.ballastBytes);
    this.#disk = disk;
    if (disk.state !== before) this.#tell(disk);
    if (disk.state !== 'ok') this.#watch();
    for (const effect of effects) {
      // On a disk that cannot be written to this fails, too; it is tried again with the next look.
      if (effect === 'release-ballast') await this.#ballast.release().catch(() => {});
      else if (await this.#ballast.make().catch(() => false)) await this.#handle({ type: 'ballast-made' });
      else if (event.type === 'probed' && event.probe.writable) {
        await this.#handle({ type: 'ballast-failed', freeBytes: event.probe.freeBytes });
      }
    }
  }

  #tell({ state, detail }: Disk): void {
    const { log } = this.#ports;
    if (state === 'ok') log('info', 'the disk can be written to again');
    else log('error', `the disk is ${state}: ${detail}`);
    this.#onChange();
  }

  #watch(): void {
    if (this.#watching !== undefined || this.#thread === undefined) return;
    this.#watching = this.#untilOk().finally(() => {
      this.#watching = undefined;
      // It went wrong again meanwhile.
      if (this.#disk.state !== 'ok' && !this.#isClosed) this.#watch();
    });
  }

  async #untilOk(): Promise<void> {
    while (this.#disk.state !== 'ok' && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        const cancel = this.#ports.clock.after(WATCH_MS, resolve);
        this.#stopWatching = () => {
          cancel();
          resolve();
        };
      });
      if (!this.#isClosed) await this.#handle({ type: 'probed', probe: await this.#ballast.probe() });
    }
  }
}
