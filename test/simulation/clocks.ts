/** The clocks of a simulated gateway: one that counts from its start, and one that may be wrong. */
import type { MachineClocks } from '@weir/edge-agent';
import type { Dice } from './dice.ts';
import type { Timeline } from './timeline.ts';

/**
 * - `right`: kept by a battery, and NTP says so.
 * - `unchecked`: right, and there is nobody who says so.
 * - `none`: begins in 1970 at each start of the machine. NTP sets it after a while, if it is there.
 * - `wrong`: right at first, and somebody sets it to another time.
 */
export const CLOCK_KINDS = ['right', 'unchecked', 'none', 'wrong'] as const;
export type ClockKind = (typeof CLOCK_KINDS)[number];

const DAY_MS = 86_400_000;
/** Twelve seconds after it was switched on. */
const BEGIN_MS = 12_000;

export class DeviceClocks implements MachineClocks {
  boot = '';
  readonly #timeline: Timeline;
  readonly #kind: ClockKind;
  readonly #dice: Dice;
  #startedAt = 0;
  /** ms that the wall clock is away from true time. */
  #awayMs = 0;
  #isDisciplined: boolean | undefined;

  constructor(timeline: Timeline, kind: ClockKind, dice: Dice) {
    this.#timeline = timeline;
    this.#kind = kind;
    this.#dice = dice;
    this.startMachine();
  }

  /** The power is there again. */
  startMachine(): void {
    const { now } = this.#timeline;
    this.boot = Buffer.from(this.#dice.bytes(8)).toString('hex');
    this.#startedAt = now;
    this.#awayMs = this.#kind === 'none' ? BEGIN_MS - now : 0;
    this.#isDisciplined = { right: true, unchecked: undefined, none: false, wrong: undefined }[this.#kind];
    const { boot } = this;
    if (this.#kind === 'none' && this.#dice.chance(0.5)) {
      this.#timeline.after(this.#dice.exponential(60_000), () => {
        if (this.boot !== boot) return;
        this.#awayMs = 0;
        this.#isDisciplined = true;
      });
    }
  }

  /** Somebody sets it. */
  set(): void {
    if (this.#kind === 'wrong')
      this.#awayMs = this.#dice.pick([0, 0, -40 * DAY_MS, 3_600_000, -1_000, 26_000 * DAY_MS]);
  }

  monotonic(): number {
    return this.#timeline.now - this.#startedAt;
  }

  moment(): { monotonic: number; wall: number } {
    return { monotonic: this.monotonic(), wall: Math.floor(this.#timeline.now + this.#awayMs) };
  }

  async isDisciplined(): Promise<boolean | undefined> {
    return this.#isDisciplined;
  }
}
