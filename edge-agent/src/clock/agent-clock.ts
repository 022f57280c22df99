/** The clock of an agent on a machine that may not know the time: see `timekeeping.ts`. */
import type { Bounds } from './bounds.ts';
import { type Clock, every } from './clock.ts';
import type { MachineClocks } from './machine-clocks.ts';
import {
  AGREES_MS,
  type Certainty,
  isFelt,
  isWallAway,
  type KeptTime,
  keptOf,
  startTime,
  type TimeEvent,
  type TimeLimits,
  type TimeSource,
  type TimeState,
  timeTransition,
} from './timekeeping.ts';

/** A span of one boot in which time was one offset to the monotonic clock, known or not. */
export interface Era {
  /** Ascending over the life of the spool. */
  id: number;
  boot: string;
  certainty: Certainty;
  /** Wall time less monotonic time. */
  offset: number;
  /** When it began, by itself, ms since epoch. */
  fromAt: number;
}

/** What is kept with that which bears a time of this clock. */
export interface Stamp {
  era: Era;
  /** ms, whole */
  monotonic: number;
}

/** Time is known now, or better than before. */
export interface Learned {
  boot: string;
  offset: number;
  /** False: it is still only assumed. */
  known: boolean;
  /** By how much times of this boot that were not known are to be moved. */
  shift: number;
  /** From when on, by the clock as it was. */
  from: number;
  /** ms since epoch, by the clock as it is now. */
  now: number;
  /** The era before. */
  before: Era;
  /** For the next start, once what was stamped is set right. */
  kept: KeptTime;
}

export interface ClockStatus {
  certainty: Certainty;
  source: TimeSource;
  /** The machine's wall clock less this one, ms. */
  wallAheadMs: number;
  /** This clock less the hub's, ms: 0 is within what its answers can tell. Undefined: not asked yet. */
  hubAheadMs: number | undefined;
}

export interface ClockPorts {
  /** Called at once; resolves when all that was stamped is set right, rejects when it will not be before the next start. */
  onLearned: (learned: Learned) => Promise<void>;
  /** For the next start. */
  keep: (kept: KeptTime, stamp: Stamp) => void;
  log: (level: 'info' | 'warn', message: string) => void;
}

export interface ClockLimits extends TimeLimits {
  /** ms: how often time is kept when nothing else happens. */
  keep: number;
}

const LOOK_MS = 1_000;
/** NTP is asked so often while time is not known, or the wall clock says something else. */
const ASK_SOON_MS = 60_000;
const ASK_MS = 600_000;

export class AgentClock implements Clock {
  #machine: MachineClocks;
  #timers: Pick<Clock, 'after' | 'soon'>;
  #limits: ClockLimits;
  #ports: ClockPorts | undefined;
  #state: TimeState;
  #era: Era;
  #last = 0;
  #askedAt: number | undefined;
  #stops: (() => void)[] = [];
  /** What was learned, and what was stamped before is not set right yet. */
  #settling: Learned[] = [];
  #settled: Promise<void> = Promise.resolve();

  /** @param kept with the id of the last era there is */
  constructor(
    machine: MachineClocks,
    timers: Pick<Clock, 'after' | 'soon'>,
    kept: (KeptTime & { lastEra: number }) | undefined,
    limits: ClockLimits,
  ) {
    this.#machine = machine;
    this.#timers = timers;
    this.#limits = limits;
    this.#state = startTime(kept, machine.boot, machine.moment(), limits);
    this.#era = this.#eraAfter(kept?.lastEra ?? 0);
  }

  now(): number {
    const now = Math.floor(this.#machine.monotonic() + this.#state.offset);
    // What is set right by less than a second is waited for.
    if (now > this.#last) this.#last = now;
    return this.#last;
  }

  monotonic(): number {
    return this.#machine.monotonic();
  }

  after(ms: number, run: () => void): () => void {
    return this.#timers.after(ms, run);
  }

  soon(run: () => void): void {
    this.#timers.soon(run);
  }

  get isKnown(): boolean {
    return this.#state.certainty === 'synchronised';
  }

  /** No true time is before it, ms since epoch: what is known, or the last that was. */
  get earliest(): number {
    return this.isKnown ? this.now() : this.#state.floor;
  }

  /** The machine's own clock, by which others on it go, is wrong. */
  get isWallWrong(): boolean {
    return isWallAway(this.#state);
  }

  stamp(): Stamp {
    return { era: this.#era, monotonic: Math.floor(this.#machine.monotonic()) };
  }

  status(): ClockStatus {
    const { certainty, source, offset, wallOffset, hub } = this.#state;
    const ahead = hub && Math.round(Math.max(0, offset - hub.max) + Math.min(0, offset - hub.min));
    return { certainty, source, wallAheadMs: wallOffset - offset, hubAheadMs: ahead };
  }

  start(ports: ClockPorts): void {
    this.#ports = ports;
    const { certainty } = this.#state;
    this.#keep();
    if (certainty === 'unsynchronised') {
      ports.log('warn', `the clock of this machine is wrong; time goes on from ${iso(this.now())} until it is known`);
    }
    this.#stops = [every(this, LOOK_MS, () => this.#look()), every(this, this.#limits.keep, () => this.#keep())];
    void this.#look();
  }

  /** What was learned is settled. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#settled;
  }

  /** By answers of the hub. Resolves when what was stamped before is set right. */
  learn(bounds: Bounds): Promise<void> {
    this.#handle({ type: 'hub', bounds });
    return this.#settled;
  }

  async #look(): Promise<void> {
    this.#handle({ type: 'look', ...this.#machine.moment() });
    const now = this.#machine.monotonic();
    const spell = this.isKnown && !this.isWallWrong ? ASK_MS : ASK_SOON_MS;
    if (this.#askedAt !== undefined && now - this.#askedAt < spell) return;
    this.#askedAt = now;
    const disciplined = await this.#machine.isDisciplined();
    this.#handle({ type: 'look', ...this.#machine.moment(), disciplined });
  }

  #handle(event: TimeEvent): void {
    const before = this.#state;
    const { state, change } = timeTransition(before, event, this.#limits);
    this.#state = state;
    // NTP is asked at once about a step.
    if (isWallAway(state) && !isWallAway(before)) this.#askedAt = undefined;
    if (change === undefined) return;
    const { shift, restamp } = change;
    const { certainty, source, offset, unknownSince } = state;
    // Known to be wrong, time may go back.
    if (shift < -AGREES_MS) this.#last = 0;
    const era = this.#era;
    const from = Math.floor((before.unknownSince ?? unknownSince ?? 0) + before.offset);
    this.#era = this.#eraAfter(era.id);
    const known = certainty === 'synchronised';
    this.#ports?.log(
      isFelt(shift) ? 'warn' : 'info',
      `time is ${known ? 'known' : 'assumed'}, by ${SOURCES[source]}: ${iso(this.now())}, ${moved(shift)}`,
    );
    if (!restamp) {
      this.#keep();
      return;
    }
    const kept = keptOf(state, this.#machine.monotonic());
    const learned = { boot: state.boot, offset, known, shift, from, now: this.now(), before: era, kept };
    this.#settling.push(learned);
    const done = this.#ports?.onLearned(learned) ?? Promise.resolve();
    const settled = () => {
      this.#settling = this.#settling.filter((each) => each !== learned);
    };
    // What was stamped, and is not set right, is to be found with the time of before by the next start.
    this.#settled = Promise.all([this.#settled, done.then(settled, () => {})]).then(() => {});
  }

  /** What is not set right must not be taken for known after a restart. */
  #keep(): void {
    if (this.#settling.length > 0) return;
    this.#ports?.keep(keptOf(this.#state, this.#machine.monotonic()), this.stamp());
  }

  #eraAfter(id: number): Era {
    const { boot, certainty, offset } = this.#state;
    const fromAt = Math.floor(this.#machine.monotonic() + offset);
    return { id: id + 1, boot, certainty, offset, fromAt };
  }
}

const SOURCES: Record<TimeSource, string> = {
  ntp: 'NTP',
  hub: 'the hub',
  wall: "the machine's clock",
  floor: 'the last time that was known',
};

function iso(time: number): string {
  return new Date(time).toISOString();
}

function moved(shift: number): string {
  if (!isFelt(shift)) return 'as it was assumed to be';
  return `${Math.round(Math.abs(shift) / 1_000)} s ${shift > 0 ? 'later' : 'earlier'} than it was assumed to be`;
}
