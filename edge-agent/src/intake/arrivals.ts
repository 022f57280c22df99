/**
 * Group commit of what sensors send. While one group is made durable, the next one fills:
 *
 *     add, add, refuse -> [ group ] -> journal (one transaction) -> done, done, done in arrival order -> functions
 *
 * MQTT wants acknowledgements in the order of the messages [MQTT-4.6.0-2]; groups become durable in order, so the
 * calls do too.
 */
import { ColumnsBuilder, type Reading } from '@weir/protocols';
import type { Stamp } from '../clock/agent-clock.ts';
import type { Clock } from '../clock/clock.ts';
import type { Arrival, JournalGroup, Refusal } from '../journal/journal.ts';
import { REFUSED_HEAD_BYTES } from '../journal/journal.ts';
import type { Spool } from '../spool/spool.ts';
import { groupOf, Stamping } from './stamping.ts';

export interface ArrivalLimits {
  groupReadingsMax: number;
  /** ms */
  groupDelay: number;
  waitingReadingsMax: number;
  journalBytesMax: number;
}

export interface ArrivalPorts {
  spool: Spool;
  clock: Clock;
  /** With what times are kept that may not be right. Absent, or undefined: they are. */
  stamp?: () => Stamp | undefined;
  /** Called in order, for each group that is durable. */
  onDurable: (group: JournalGroup) => void;
  /** True: stop reading from sensors; false: go on. */
  onPressure: (held: boolean) => void;
  onFailure: (error: Error) => void;
}

/** Tells that a message is durable, or that it is not and never will be by this attempt. */
export type Done = (error: Error | null) => void;

/** Refused payloads kept of one group; a flood of them is counted, not copied. */
const REFUSED_PER_GROUP = 20;
/** Groups handed to the database and not yet durable; the rest waits here, where it can still grow together. */
const COMMITS_MAX = 4;
/**
 * With so many readings a group grows no more, however slow the disk. One message more, of 50,000 readings at most, and it
 * still fits into what a row of the journal and a batch can hold: 65,535, if each is of another series.
 */
const GROWN_READINGS_MAX = 10_000;

/** A group that takes in nothing more. */
interface Closed {
  arrival: Arrival;
  done: Done[];
  /** Of readings and refusals. */
  count: number;
}

export class Arrivals {
  #ports: ArrivalPorts;
  #limits: ArrivalLimits;
  #builder: ColumnsBuilder;
  #stamping: Stamping;
  #done: Done[] = [];
  #future = 0;
  #refused: Arrival['refused'];
  #messages = 0;
  #waiting = 0;
  #commits = 0;
  /** Waiting for their turn, oldest first. */
  #closed: Closed[] = [];
  #scheduled = false;
  #journalBytes: number;
  #held = false;
  #idle: (() => void)[] = [];

  /** @param journalBytes what is in the journal already */
  constructor(ports: ArrivalPorts, limits: ArrivalLimits, journalBytes: number) {
    this.#ports = ports;
    this.#limits = limits;
    this.#journalBytes = journalBytes;
    this.#builder = new ColumnsBuilder(limits.groupReadingsMax);
    this.#stamping = new Stamping(ports.stamp ?? (() => undefined));
  }

  /** Readings not yet durable. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Bytes that the functions have not passed. */
  get journalBytes(): number {
    return this.#journalBytes;
  }

  /** @param arrivedAt what readings have for their time that came without one */
  add(readings: Iterable<Reading>, done?: Done, arrivedAt?: number): void {
    const before = this.#builder.count;
    const latest = this.#stamping.latest(this.#ports.clock.now());
    for (const reading of readings) {
      if (reading.ts > latest) this.#future++;
      this.#builder.add(this.#stamping.note(reading, reading.ts === arrivedAt, this.#builder.count));
    }
    this.#waiting += this.#builder.count - before;
    this.#enqueue(done);
  }

  /** Keeps a payload that is no reading aside; acknowledged like any other, in its turn. */
  refuse(refusal: Omit<Refusal, 'at' | 'head'>, payload: Uint8Array, done?: Done): void {
    const { last } = this.#countRefused(refusal.reason);
    if (last.length < REFUSED_PER_GROUP) {
      const head = Uint8Array.from(payload.subarray(0, REFUSED_HEAD_BYTES));
      last.push({ ...refusal, at: this.#ports.clock.now(), head });
    }
    this.#enqueue(done);
  }

  /** Counts a connection that was refused. There is no payload to look at, and a flood of them must displace none. */
  refuseConnection(reason: string): void {
    this.#countRefused(reason);
    this.#enqueue(undefined);
  }

  /** The functions have passed rows of so many bytes. */
  passed(bytes: number): void {
    this.#journalBytes -= bytes;
    this.#flushIfDue();
    this.#relieve();
  }

  /** Resolves when everything added so far is durable, or has failed. */
  drain(): Promise<void> {
    if (this.#waiting === 0) return Promise.resolve();
    this.#flushIfDue();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  get #full(): boolean {
    return this.#builder.count >= this.#limits.groupReadingsMax;
  }

  #countRefused(reason: string): NonNullable<Arrival['refused']> {
    this.#refused ??= { counts: Object.create(null) as Record<string, number>, last: [] };
    const { counts } = this.#refused;
    counts[reason] = (counts[reason] ?? 0) + 1;
    this.#waiting++;
    return this.#refused;
  }

  #enqueue(done: Done | undefined): void {
    if (done !== undefined) this.#done.push(done);
    this.#messages++;
    if (this.#waiting >= this.#limits.waitingReadingsMax) this.#hold();
    if (this.#builder.count >= GROWN_READINGS_MAX) this.#closed.push(this.#close());
    if (this.#full || this.#closed.length > 0) this.#flushIfDue();
    else this.#schedule();
  }

  /** Without a commit under way the group leaves once all sockets that have something were read. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const flush = () => {
      this.#scheduled = false;
      this.#flushIfDue();
    };
    if (this.#commits === 0) this.#ports.clock.soon(flush);
    else this.#ports.clock.after(this.#limits.groupDelay, flush);
  }

  #flushIfDue(): void {
    while (this.#commits < COMMITS_MAX && (this.#closed.length > 0 || this.#messages > 0)) {
      if (this.#journalBytes > this.#limits.journalBytesMax) {
        this.#hold();
        return;
      }
      void this.#flush(this.#closed.shift() ?? this.#close());
    }
  }

  #close(): Closed {
    const columns = this.#builder.count > 0 ? this.#builder.take() : undefined;
    const arrival: Arrival = {
      columns,
      receivedAt: this.#ports.clock.now(),
      future: this.#future,
      refused: this.#refused,
      time: this.#stamping.take(),
    };
    const count = (columns?.index.length ?? 0) + sum(this.#refused?.counts);
    const done = this.#done;
    this.#done = [];
    this.#future = 0;
    this.#refused = undefined;
    this.#messages = 0;
    return { arrival, done, count };
  }

  async #flush({ arrival, done, count }: Closed): Promise<void> {
    const { spool, onDurable, onFailure } = this.#ports;
    this.#commits++;
    try {
      const appended = await spool.call('append', arrival);
      this.#journalBytes += appended.bytes;
      for (const call of done) call(null);
      if (arrival.columns !== undefined) onDurable(groupOf(arrival, appended));
    } catch (error) {
      onFailure(error as Error);
      for (const call of done) call(error as Error);
    }
    this.#commits--;
    this.#waiting -= count;
    this.#flushIfDue();
    this.#relieve();
    if (this.#waiting > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#ports.onPressure(true);
  }

  /** Half full is where it goes on: not back and forth at the edge. */
  #relieve(): void {
    const { waitingReadingsMax, journalBytesMax } = this.#limits;
    if (!this.#held || this.#waiting > waitingReadingsMax / 2 || this.#journalBytes > journalBytesMax) return;
    this.#held = false;
    this.#ports.onPressure(false);
  }
}

function sum(counts: Record<string, number> = {}): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
