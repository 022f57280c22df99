/**
 * What goes wrong with sensors and machines. A fault comes in windows of time; what it does to the signal:
 *
 *     stuck      the sensor repeats its last value
 *     spike      one value is off by `size`, as from a bad contact
 *     dropout    the sensor says nothing
 *     step       the signal is off by `size` for the whole window: a door contact
 *     excursion  the signal nears an offset of `size` with time constant `tauMs`, and comes back as fast: a cold room with
 *                its door open, an oven whose controller fails
 *     wear       the offset grows ever faster, to `size` at the end of the window, and is gone then: a bearing that is replaced
 */
import { createRandom, type Random } from './random.ts';

export type FaultKind = 'stuck' | 'spike' | 'dropout' | 'step' | 'excursion' | 'wear';

export interface Fault {
  kind: FaultKind;
  /** Faults of one sensor with one name come at the same times: an open door shows in the temperature, too. */
  name: string;
  /** `fixed`: at `firstMs`, then every `gapMs`. `chance`: gaps of `gapMs` on average. */
  timing: 'fixed' | 'chance';
  firstMs?: number;
  /** Milliseconds from one start to the next. */
  gapMs: number;
  lastsMs: number;
  /** In the unit of the signal. */
  size?: number;
  tauMs?: number;
}

interface Window {
  from: number;
  to: number;
}

/** Starts and ends in milliseconds since the simulation began, one after another, without overlap, for ever. */
export function* windowsOf(fault: Fault, sensor: string, seed: number): Generator<Window, never> {
  const random = createRandom(seed, `${sensor}/fault/${fault.name}`);
  const gap = () => (fault.timing === 'fixed' ? fault.gapMs : fault.gapMs * random.exponential());
  let from = fault.firstMs ?? gap();
  while (true) {
    const to = from + fault.lastsMs;
    yield { from, to };
    from = Math.max(to, from + gap());
  }
}

/** Applies one fault to the samples of one signal, given in order of time; undefined: no sample. */
export class FaultEffect {
  readonly #fault: Fault;
  readonly #windows: Generator<Window, never>;
  readonly #random: Random;
  #window: Window;
  #last: number | undefined;
  #offset = 0;
  #lastAt: number | undefined;
  #spiked = false;

  constructor(fault: Fault, sensor: string, seed: number, random: Random) {
    this.#fault = fault;
    this.#random = random;
    this.#windows = windowsOf(fault, sensor, seed);
    this.#window = this.#windows.next().value;
  }

  /** @param at milliseconds since the simulation began */
  apply(at: number, value: number): number | undefined {
    while (at >= this.#window.to) {
      this.#window = this.#windows.next().value;
      this.#spiked = false;
    }
    const active = at >= this.#window.from;
    const { kind, size = 0 } = this.#fault;
    if (kind === 'excursion') return value + this.#approach(at, active ? size : 0);
    if (!active) {
      this.#last = value;
      return value;
    }
    if (kind === 'dropout') return undefined;
    if (kind === 'stuck') {
      this.#last ??= value;
      return this.#last;
    }
    if (kind === 'wear') return value + size * ((at - this.#window.from) / (this.#window.to - this.#window.from)) ** 3;
    if (kind === 'step') return value + size;
    if (this.#spiked) return value;
    this.#spiked = true;
    return value + (this.#random.uniform() < 0.5 ? -size : size);
  }

  #approach(at: number, target: number): number {
    const elapsedMs = this.#lastAt === undefined ? 0 : at - this.#lastAt;
    this.#lastAt = at;
    this.#offset += (target - this.#offset) * (1 - Math.exp(-elapsedMs / (this.#fault.tauMs ?? 1)));
    return this.#offset;
  }
}
