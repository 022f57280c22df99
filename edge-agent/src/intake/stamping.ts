import { AHEAD_MS_MAX, type Reading } from '@weir/protocols';
import type { Era, Stamp } from '../clock/agent-clock.ts';
import { correctGroup } from '../clock/restamp.ts';
import type { Appended, Arrival, ArrivalTime, JournalGroup } from '../journal/journal.ts';

/** Notes, for each reading of a group that fills, whether its time is this device's: only such a time can be set right. */
export class Stamping {
  #stamp: () => Stamp | undefined;
  /** That of the readings of the group that are to be set right; undefined: there is none. */
  #era: Era | undefined;
  #stamped: number[] = [];

  /** @param stamp undefined: the clock is right */
  constructor(stamp: () => Stamp | undefined) {
    this.#stamp = stamp;
  }

  /** What is ahead of a clock that is plainly wrong may well be right. */
  latest(now: number): number {
    return this.#stamp()?.era.certainty === 'unsynchronised' ? Number.POSITIVE_INFINITY : now + AHEAD_MS_MAX;
  }

  /**
   * @param at at how many readings the group stands
   * @param isOurs it has its time from this device
   * @returns the reading; where the device's clock was set within the group, with its time as it was before
   */
  note(reading: Reading, isOurs: boolean, at: number): Reading {
    const era = this.#stamp()?.era;
    if (!isOurs || era === undefined || era.certainty === 'synchronised') {
      if (this.#era !== undefined) this.#stamped[at] = 0;
      return reading;
    }
    if (this.#era === undefined) {
      this.#era = era;
      this.#stamped = new Array<number>(at).fill(0);
    }
    this.#stamped[at] = 1;
    return era === this.#era ? reading : { ...reading, ts: reading.ts + this.#era.offset - era.offset };
  }

  /** Of the group that is full. */
  take(): ArrivalTime | undefined {
    const stamp = this.#stamp();
    if (stamp === undefined) return undefined;
    if (this.#era === undefined) {
      return { stamp, stamped: stamp.era.certainty === 'synchronised' ? undefined : Uint8Array.of(0) };
    }
    const time = { stamp: { ...stamp, era: this.#era }, stamped: packed(this.#stamped) };
    this.#era = undefined;
    this.#stamped = [];
    return time;
  }
}

/** A group as functions get it: with its times set right where that is known by now. */
export function groupOf({ columns, receivedAt, time }: Arrival, { id, bytes, correction }: Appended): JournalGroup {
  const group = { columns: columns!, receivedAt };
  if (time === undefined) return { id, bytes, ...group };
  const { era, monotonic } = time.stamp;
  return { id, bytes, ...correctGroup(group, { stamped: time.stamped, monotonic, offset: era.offset }, correction) };
}

/** One for all where all are alike. */
function packed(stamped: readonly number[]): Uint8Array {
  const [first] = stamped;
  return Uint8Array.from(stamped.every((each) => each === first) ? [first!] : stamped);
}
