/**
 * How the agent is, as it tells its hub in the shadow: small, and anew only when it has changed enough to matter, for each report costs
 * on a line that is paid for by the byte. What is a trouble is told at once, whenever the next report would be.
 *
 * A process that is dead or frozen is found by the hub, by its keepalive. What goes on and yet gets nothing done is found here: a
 * database that does not answer, functions that do not pass what waits for them.
 */
import { isDiskLow, type WeirReported } from '@weir/protocols';
import { type Clock, every } from '../clock/clock.ts';
import type { LaneAccount } from '../outbox/outbox.ts';
import type { SpoolCounts } from '../spool/operations.ts';
import type { Spool } from '../spool/spool.ts';
import type { MachineState } from './machine.ts';

type Health = NonNullable<WeirReported['health']>;
export type Vitals = Pick<Health, 'disk' | 'memory' | 'buffer' | 'certificate' | 'stuck'>;

export interface VitalsPorts {
  spool: Spool;
  clock: Clock;
  /** Absent: it cannot be asked. */
  machine?: (() => Promise<MachineState>) | undefined;
  /** Seconds until what waits is sent; undefined: it does not get less. */
  drainS: (lanes: readonly LaneAccount[]) => number | undefined;
  /** Bytes that wait for functions, and that these have passed since the start. */
  functions: () => { waiting: number; passed: number };
  /** When the device's certificate ends, ms since epoch. */
  certificateEnd: () => number | undefined;
  /** A trouble has begun or ended. */
  onTrouble: () => void;
}

/** Often enough for a person, and nothing beside what a gateway does anyway. */
const LOOK_MS = 30_000;
/** A card that is slow takes seconds; one that is broken takes for ever. */
const DATABASE_MS = 20_000;
/** A step is given ten seconds, and a sandbox that had to be killed starts within one. */
const FUNCTIONS_MS = 90_000;
const KIB = 1024;
const MIB = 1024 * KIB;
/** What waits for less is on its way. */
const OLD_MS = 60_000;

export class VitalsWatch {
  readonly #ports: VitalsPorts;
  #counts: SpoolCounts | undefined;
  /** `since`: by the monotonic clock, as all that is measured here. */
  #asking: { since: number; answer: Promise<void> } | undefined;
  #machine: MachineState | undefined;
  #passed: { bytes: number; at: number };
  /** As it was told last. */
  #told: Vitals = {};
  #troubles = '';
  #stop = () => {};

  constructor(ports: VitalsPorts) {
    this.#ports = ports;
    this.#passed = { bytes: 0, at: ports.clock.monotonic() };
  }

  start(): void {
    this.#stop = every(this.#ports.clock, LOOK_MS, () => this.#look());
  }

  stop(): void {
    this.#stop();
  }

  /** What is known, within the time that a database is given. @throws when it has never answered */
  async read(): Promise<{ counts: SpoolCounts; vitals: Vitals }> {
    await Promise.all([this.#count(), this.#askMachine()]);
    const counts = this.#counts ?? (await this.#ports.spool.call('counts'));
    this.#told = coarse(this.#exact(counts), this.#told, this.#ports.clock.now());
    return { counts, vitals: this.#told };
  }

  async #look(): Promise<void> {
    await Promise.all([this.#count(), this.#askMachine()]);
    const isLow = this.#machine !== undefined && isDiskLow(this.#machine.disk);
    const troubles = `${this.#stuck()?.what ?? ''}${isLow ? ' low' : ''}`;
    if (troubles === this.#troubles) return;
    this.#troubles = troubles;
    this.#ports.onTrouble();
  }

  /** Asks the database, and waits for it for a while. */
  async #count(): Promise<void> {
    const { spool, clock } = this.#ports;
    if (this.#asking === undefined) {
      const asking = { since: clock.monotonic(), answer: Promise.resolve() };
      const done = () => {
        if (this.#asking === asking) this.#asking = undefined;
      };
      // What fails is told as the state of the disk.
      asking.answer = spool.call('counts').then((counts) => {
        this.#counts = counts;
        done();
      }, done);
      this.#asking = asking;
    } else if (this.#isOverdue()) return;
    let cancel = () => {};
    const enough = new Promise<void>((resolve) => {
      cancel = clock.after(DATABASE_MS, resolve);
    });
    await Promise.race([this.#asking.answer, enough]);
    cancel();
  }

  #isOverdue(): boolean {
    return this.#asking !== undefined && this.#ports.clock.monotonic() - this.#asking.since >= DATABASE_MS;
  }

  async #askMachine(): Promise<void> {
    // A disk that does not answer is told by what is asked of the database.
    this.#machine = (await this.#ports.machine?.().catch(() => undefined)) ?? this.#machine;
  }

  #stuck(): Health['stuck'] {
    const { clock, functions } = this.#ports;
    const monotonic = clock.monotonic();
    const since = (at: number) => Math.round(clock.now() - (monotonic - at));
    if (this.#isOverdue()) return { what: 'database', since: since(this.#asking!.since) };
    const { waiting, passed } = functions();
    if (waiting === 0 || passed !== this.#passed.bytes) this.#passed = { bytes: passed, at: monotonic };
    const { at } = this.#passed;
    return monotonic - at >= FUNCTIONS_MS ? { what: 'functions', since: since(at) } : undefined;
  }

  #exact({ lanes }: SpoolCounts): Vitals {
    const stuck = this.#stuck();
    const end = this.#ports.certificateEnd();
    const waiting = lanes.filter(({ items }) => items > 0);
    const oldest = Math.min(...waiting.map(({ oldestAt }) => oldestAt ?? Number.POSITIVE_INFINITY));
    const drainS = this.#ports.drainS(lanes);
    return {
      ...(this.#machine && { disk: this.#machine.disk, memory: this.#machine.memory }),
      ...(waiting.length > 0 && {
        buffer: {
          bytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0),
          ...(Number.isFinite(oldest) && { oldestAt: oldest }),
          ...(drainS !== undefined && { drainSeconds: drainS }),
        },
      }),
      ...(end !== undefined && { certificate: { validTo: end } }),
      ...(stuck !== undefined && { stuck }),
    };
  }
}

/** The figures as they were told, where they have not moved by much since. */
export function coarse(exact: Vitals, told: Vitals, now: number): Vitals {
  const { disk, memory, buffer } = exact;
  const vitals: Vitals = { ...exact };
  if (disk !== undefined) {
    vitals.disk = { free: steady(disk.free, told.disk?.free, disk.total / 50, MIB), total: disk.total };
  }
  if (memory !== undefined) {
    const before = told.memory;
    const size = (is: number, was: number | undefined) => steady(is, was, Math.max(16 * MIB, (was ?? 0) / 8), MIB);
    vitals.memory = {
      agent: size(memory.agent, before?.agent),
      sandbox: size(memory.sandbox, before?.sandbox),
      free: steady(memory.free, before?.free, memory.total / 20, MIB),
      total: memory.total,
    };
  }
  const isOld = buffer?.oldestAt !== undefined && now - buffer.oldestAt >= OLD_MS;
  delete vitals.buffer;
  // What is on its way comes and goes with each batch.
  if (buffer !== undefined && isOld) {
    const { bytes, oldestAt, drainSeconds } = buffer;
    const was = told.buffer;
    vitals.buffer = {
      bytes: steady(bytes, was?.bytes, Math.max(64 * KIB, (was?.bytes ?? 0) / 4), KIB),
      oldestAt: steady(oldestAt!, was?.oldestAt, Math.max(OLD_MS, (now - oldestAt!) / 8), 1_000),
      ...(drainSeconds !== undefined && {
        drainSeconds: steady(drainSeconds, was?.drainSeconds, Math.max(30, (was?.drainSeconds ?? 0) / 4), 1),
      }),
    };
  }
  return vitals;
}

/** @param step by which it must have moved to be told anew @param unit to which it is rounded */
function steady(is: number, was: number | undefined, step: number, unit: number): number {
  return was !== undefined && Math.abs(is - was) < step ? was : Math.round(is / unit) * unit;
}
