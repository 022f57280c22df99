/**
 * All that an adaptive condition remembers of a series: some numbers and one block of floats, eight kilobytes as text,
 * whatever the series is. The floats are what is computed with, so that what is stored and read again goes on to the bit.
 *
 * Time goes in periods of equal slots: a day of half hours, mostly.
 */
import { BLOCKS_KEPT } from './tail.ts';

/** A week of days: a day that was odd is outvoted, a new shape of the day has the majority after four. */
export const PERIODS_KEPT = 7;
export const WEEK_HOURS = 168;
/** What may explain a series: its level, the time of day, the hour of the week. */
export const CANDIDATES = 3;
/** See `statistics.ts`. */
export const STATISTICS = 12;
/** The first of them, which differ when the week is known. */
export const STATISTICS_WEEKLY = 6;
/** See `seen.ts`. */
export const CELLS = 64;

const SCALARS = {
  /** What times of readings are less than: their clock was set. ms. */
  skewMs: 0,
  /** First and last reading, ms; the time between without readings, which is none of learning. */
  firstAt: 0,
  lastAt: 0,
  outageMs: 0,
  readings: 0,
  /** From reading to reading, mostly. */
  intervalMs: 0,
  lastValue: 0,
  /** Since when it has been that, in how many readings. */
  changedAt: 0,
  runLength: 0,
  /** The least step between two values: noise that is below is not seen. */
  step: 0,
  /** The slot that is being filled: number, sums, readings, and those while it fired. */
  slot: 0,
  slotSum: 0,
  slotOff: 0,
  slotCount: 0,
  slotFiring: 0,
  /** Slots of this block that had readings; blocks that were whole, and those whose maxima are known. */
  blockSlots: 0,
  /** Of these, those in which it was known what was a week ago. */
  blockSlotsWeekly: 0,
  blocks: 0,
  recorded: 0,
  sparseBlocks: 0,
  /** What explains the series, and by how much each was off. */
  candidate: 0,
  evidence: 0,
  errorLevel: 0,
  errorDay: 0,
  weekEvidence: 0,
  /** 1: something was known, in another form, until it judges again. */
  relearns: 0,
  /** Width of cells of values and number of the first, from zero; those of this slot, as bits. */
  cellWidth: 0,
  cellFirst: 0,
  visitedLow: 0,
  visitedHigh: 0,
  /** The hour of the week that is not over. */
  hour: 0,
  hourMean: 0,
  hourCount: 0,
  errorWithoutWeek: 0,
  errorWeek: 0,
  /** Mean deviation from what is expected. */
  scale: 0,
  scaleSlots: 0,
  /** Averages, see `statistics.ts`, over readings since then. */
  averagedFrom: 0,
  shortMean: 0,
  longMean: 0,
  shortExcused: 0,
  longExcused: 0,
  shortWeekly: 0,
  longWeekly: 0,
  fastMean: 0,
  fastMeanBefore: 0,
  volatility: 0,
  /** Nothing is judged before: where the series is after an outage must be found. */
  settlesAt: 0,
  /** By how much the worst statistic exceeds its level, and which it is. */
  score: 0,
  worst: 0,
  /** 0: not judged; 1: it was; 2: what it is compared with is being learned anew. */
  judged: 0,
  firing: 0,
  firingSince: 0,
  /** Of the values while it fires, that which is furthest from any that is known. */
  peak: 0,
  /** Readings in a row that were beyond; since when there were none. */
  over: 0,
  calmSince: 0,
};

export type Scalars = typeof SCALARS;

/** Of the form of the state: another one cannot be gone on with. */
const VERSION = 2;

/** JSON; opaque. */
export type MemoryState = {
  version: number;
  slots: number;
  slotMs: number;
  scalars: number[];
  greatest: number[];
  floats: string;
};

export class Memory {
  readonly slots: number;
  readonly slotMs: number;
  readonly scalars: Scalars = { ...SCALARS };
  /** Of this block, by statistic; then those of the week. */
  readonly greatest: number[] = new Array(STATISTICS + STATISTICS_WEEKLY).fill(0);
  /** Means of the slots of the last periods, by slot; NaN: none, or all was not well. */
  readonly means: Float32Array;
  /** Of the last period, whatever it was. */
  readonly recent: Float32Array;
  /** By candidate and slot of the period: by how much it was off; NaN as above. */
  readonly residuals: Float32Array;
  /** Means of the hours of the last week, then of the week before. */
  readonly hours: Float32Array;
  /** Mean deviation by slot of the period. */
  readonly scales: Float32Array;
  /** Logarithms of the maxima of the last blocks, by statistic. */
  readonly maxima: Float32Array;
  /** The same, of those statistics that differ, with what was a week ago as usual; NaN: there was none. */
  readonly maximaWeekly: Float32Array;
  /** In how many slots each cell of values was visited. */
  readonly cells: Float32Array;
  readonly #all: Float32Array;
  #text: string | undefined;

  constructor(slots: number, slotMs: number) {
    this.slots = slots;
    this.slotMs = slotMs;
    const ofSlots = [slots * PERIODS_KEPT, slots, slots * CANDIDATES, WEEK_HOURS * 2, slots];
    const sizes = [...ofSlots, STATISTICS * BLOCKS_KEPT, STATISTICS_WEEKLY * BLOCKS_KEPT, CELLS];
    this.#all = new Float32Array(sizes.reduce((sum, size) => sum + size));
    let at = 0;
    const part = (size: number) => {
      at += size;
      return this.#all.subarray(at - size, at);
    };
    this.means = part(sizes[0]!).fill(Number.NaN);
    this.recent = part(sizes[1]!).fill(Number.NaN);
    this.residuals = part(sizes[2]!).fill(Number.NaN);
    this.hours = part(sizes[3]!).fill(Number.NaN);
    this.scales = part(sizes[4]!);
    this.maxima = part(sizes[5]!);
    this.maximaWeekly = part(sizes[6]!).fill(Number.NaN);
    this.cells = part(sizes[7]!);
  }

  /** @returns undefined for what is no state of this form */
  static of(state: Partial<MemoryState>): Memory | undefined {
    const { version, slots, slotMs, scalars, greatest, floats } = state;
    if (version !== VERSION || !isCount(slots) || !isCount(slotMs) || typeof floats !== 'string') return undefined;
    const names = Object.keys(SCALARS) as (keyof Scalars)[];
    if (scalars?.length !== names.length || greatest?.length !== STATISTICS + STATISTICS_WEEKLY) return undefined;
    const memory = new Memory(slots, slotMs);
    const bytes = Buffer.from(floats, 'base64');
    if (bytes.length !== memory.#all.byteLength) return undefined;
    bytes.copy(new Uint8Array(memory.#all.buffer));
    for (const [at, name] of names.entries()) memory.scalars[name] = scalars[at]!;
    for (const [at, value] of greatest.entries()) memory.greatest[at] = value;
    return memory;
  }

  get periodMs(): number {
    return this.slots * this.slotMs;
  }

  /** Floats change when a slot is over; between two of them the text is the same. */
  changed(): void {
    this.#text = undefined;
  }

  get state(): MemoryState {
    this.#text ??= Buffer.from(this.#all.buffer).toString('base64');
    const { slots, slotMs, scalars, greatest } = this;
    return {
      version: VERSION,
      slots,
      slotMs,
      scalars: Object.values(scalars),
      greatest: [...greatest],
      floats: this.#text,
    };
  }
}

/** More slots than that were never made. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** Of a ring: what comes before the first is at its end. */
export function mod(value: number, by: number): number {
  return ((value % by) + by) % by;
}
