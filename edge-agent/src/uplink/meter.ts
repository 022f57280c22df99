/**
 * Keeps the account of a metered line. What batches cost is durable before they are sent, so neither a crash nor a
 * restart makes the day cheaper; what else is on the wire - keep-alives, handshakes, shadows, commands - is measured, and
 * written down each minute.
 */
import type { Clock } from '../clock/clock.ts';
import type { BatchRoom, UplinkBatch } from '../outbox/batches.ts';
import type { Spool } from '../spool/spool.ts';
import { accountOn, type Budget, costOfAll, endOfDay, leftForReadings, type Spent, withinBudget } from './budget.ts';

export interface MeterPorts {
  spool: Pick<Spool, 'call'>;
  clock: Clock;
  log: (level: 'warn', message: string) => void;
}

export interface MeterStatus {
  bytesPerDay: number;
  /** Of these, what readings may take. */
  readingsBytesPerDay: number;
  /** Today in the budget's time zone, and what has been spent on it. */
  day: string;
  spentBytes: number;
  /** Readings wait, as the budget of the day is spent. */
  isSpent: boolean;
  /** When the next day begins, ms since epoch. */
  dayEndsAt: number;
}

const WRITE_MS = 60_000;

export class Meter {
  readonly #ports: MeterPorts;
  readonly #budget: Budget;
  #spent: Spent | undefined;
  #loading: Promise<void> | undefined;
  /** By connection: what was counted when batches were handed out, and what its wire has carried. */
  readonly #lines = new Map<number, { counted: number; measured: number }>();
  #isDirty = false;
  #writtenAt: number;

  constructor(ports: MeterPorts, budget: Budget) {
    this.#ports = ports;
    this.#budget = budget;
    this.#writtenAt = ports.clock.monotonic();
  }

  /** What of the room may be filled. */
  async admit(room: BatchRoom): Promise<{ room: BatchRoom; heldUntil: number | undefined }> {
    await this.load();
    const { clock } = this.#ports;
    const within = withinBudget(room, this.#account(), this.#budget, clock.now());
    if (within.heldUntil === undefined) return within;
    // The machine has a clock that nobody sets; the moment is looked at again within the hour, should this one be set.
    const ms = Math.min(3_600_000, within.heldUntil - clock.now());
    return { room: within.room, heldUntil: clock.monotonic() + ms };
  }

  /** Resolves when what they cost is durable: they may be sent then. */
  async handOut(connection: number, batches: readonly UplinkBatch[]): Promise<void> {
    if (batches.length === 0) return;
    const cost = costOfAll(batches);
    this.#lineOf(connection).counted += cost;
    this.#add(cost);
    await this.#write();
  }

  /** @param bytes on the wire of this connection until now, in both directions */
  measure(connection: number, bytes: number): void {
    const line = this.#lineOf(connection);
    line.measured = Math.max(line.measured, bytes);
    const more = line.measured - line.counted;
    if (more <= 0) return;
    line.counted = line.measured;
    this.#add(more);
  }

  /** The connection has ended, and was measured for the last time. */
  ended(connection: number): void {
    this.#lines.delete(connection);
    void this.#write();
  }

  /** Resolves when it is written down. */
  stop(): Promise<void> {
    return this.#write();
  }

  /** About once a second. */
  tick(): void {
    if (this.#isDirty && this.#ports.clock.monotonic() - this.#writtenAt >= WRITE_MS) void this.#write();
  }

  async status(): Promise<MeterStatus> {
    await this.load();
    const { bytesPerDay, reserved, timeZone } = this.#budget;
    const spent = this.#account();
    return {
      bytesPerDay,
      readingsBytesPerDay: Math.floor(bytesPerDay * (1 - reserved)),
      day: spent.day,
      spentBytes: Math.round(spent.bytes),
      isSpent: leftForReadings(spent, this.#budget) === 0,
      dayEndsAt: endOfDay(this.#ports.clock.now(), timeZone),
    };
  }

  /** Resolves when what is kept is known; until then nothing was. */
  load(): Promise<void> {
    this.#loading ??= this.#ports.spool.call('spent').then(
      ([last]) => {
        const before = this.#spent?.bytes ?? 0;
        this.#spent = accountOn(last, this.#ports.clock.now(), this.#budget);
        this.#spent.bytes += before;
      },
      (error: Error) => {
        this.#loading = undefined;
        throw error;
      },
    );
    return this.#loading;
  }

  #account(): Spent {
    this.#spent = accountOn(this.#spent, this.#ports.clock.now(), this.#budget);
    return this.#spent;
  }

  #add(bytes: number): void {
    this.#account().bytes += bytes;
    this.#isDirty = true;
  }

  /** That it could not be written keeps no alert: it is counted in memory, and written the next time. */
  async #write(): Promise<void> {
    if (!this.#isDirty || this.#loading === undefined) return;
    await this.#loading.catch(() => {});
    this.#isDirty = false;
    this.#writtenAt = this.#ports.clock.monotonic();
    const { log, spool } = this.#ports;
    await spool.call('spend', { ...this.#account() }).catch((error: Error) => {
      this.#isDirty = true;
      log('warn', `what the line has cost could not be kept: ${error.message}`);
    });
  }

  #lineOf(connection: number): { counted: number; measured: number } {
    const line = this.#lines.get(connection) ?? { counted: 0, measured: 0 };
    this.#lines.set(connection, line);
    return line;
  }
}
