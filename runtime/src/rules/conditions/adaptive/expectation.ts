/** What a reading is compared with, from slot to slot: all that would explain it. */
import type { Alternative, History } from './history.ts';
import { type Memory, mod, PERIODS_KEPT } from './memory.ts';
import { beyond, type Expected, type Explanations } from './statistics.ts';

/** In a slot, for a line through the middles of slots. */
const SLOPE_READINGS_MIN = 3;
/** So much earlier or later than usual is on time. */
const TOLERANCE_SLOTS = 0.5;
/** A third of the least step is what rounding alone makes; nothing is exact to more than a thousandth of itself. */
const STEP_SHARE = 0.3;
const RELATIVE_SCALE_MIN = 1e-3;
const SCALE_MIN = 1e-9;

export class Expectation {
  readonly #memory: Memory;
  readonly #history: History;
  /** Baselines of the slot before, of this one, and of the next. */
  #around: [number, number, number] = [Number.NaN, Number.NaN, Number.NaN];
  #alternative: Alternative | undefined;
  #ofWeek = Number.NaN;
  #slotScale = 0;

  constructor(memory: Memory, history: History) {
    this.#memory = memory;
    this.#history = history;
    this.openSlot();
  }

  openSlot(): void {
    const { scalars, scales, slots } = this.#memory;
    const { slot } = scalars;
    this.#around = [this.#history.baseline(slot - 1), this.#history.baseline(slot), this.#history.baseline(slot + 1)];
    this.#alternative = this.#history.alternative(slot);
    this.#ofWeek = this.#alternative === undefined ? Number.NaN : this.#history.ofWeek(slot);
    const own = scales[mod(slot, slots)]!;
    // What a slot says for itself counts for as many days as it has had, what all say for two.
    const periods = own === 0 ? 0 : Math.min(PERIODS_KEPT, scalars.blocks + 1);
    this.#slotScale = (periods * own + 2 * scalars.scale) / (periods + 2);
  }

  /** It is known what this slot was a week ago. */
  get isWeekKnown(): boolean {
    return this.#alternative?.isOfWeek === true;
  }

  /** Of the last reading. */
  get all(): Explanations {
    const expected = this.own;
    return { expected, other: this.#other(expected), weekly: this.#weekly(expected) };
  }

  get own(): Expected {
    const { scalars } = this.#memory;
    const least = Math.max(STEP_SHARE * scalars.step, RELATIVE_SCALE_MIN * Math.abs(scalars.lastValue), SCALE_MIN);
    const [lower, upper] = this.#explained();
    const { offset } = this.#history;
    return {
      lower: lower + offset,
      upper: upper + offset,
      offset,
      scale: Math.max(this.#slotScale, least),
      scaleOfAll: Math.max(scalars.scale, least),
    };
  }

  /** What the last reading is nearer to. */
  get nearest(): Expected {
    const { expected, other } = this.all;
    const { lastValue } = this.#memory.scalars;
    return Math.abs(beyond(lastValue, other)) < Math.abs(beyond(lastValue, expected)) ? other : expected;
  }

  /** What else would be usual. */
  #other(expected: Expected): Expected {
    if (this.#alternative === undefined) return expected;
    return { ...expected, lower: this.#alternative.lower, upper: this.#alternative.upper, offset: 0 };
  }

  /** If the series follows the week. */
  #weekly(expected: Expected): Expected {
    if (this.#history.isWeekly || Number.isNaN(this.#ofWeek)) return expected;
    return { ...expected, lower: this.#ofWeek, upper: this.#ofWeek, offset: this.#history.offsetOfWeek };
  }

  /** Between the middles of slots by a straight line; what it would be somewhat earlier or later is usual, too. */
  #explained(): [lower: number, upper: number] {
    const { scalars, slotMs } = this.#memory;
    const [before, now, after] = this.#around;
    // One reading in a slot stands where it stands every day, and not in the middle.
    const isSloped = this.#history.isSeasonal && scalars.intervalMs * SLOPE_READINGS_MIN <= slotMs;
    if (!isSloped) return [now, now];
    const into = scalars.lastAt / slotMs - scalars.slot - 0.5;
    const line = (at: number) => {
      const other = at < 0 ? before : after;
      return Number.isNaN(other) ? now : now + Math.min(1, Math.abs(at)) * (other - now);
    };
    const [early, late] = [line(into - TOLERANCE_SLOTS), line(into + TOLERANCE_SLOTS)];
    return [Math.min(early, now, late), Math.max(early, now, late)];
  }
}
