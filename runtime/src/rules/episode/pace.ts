/** How far apart the samples of a subject are: as a rule, and at the least of the last some hundred. */

/** `least` is that of the samples that are counted, and of as many before them. A number: as it was kept before. */
export type PaceState = [usualMs: number, leastMs: number, leastBeforeMs: number | null, counted: number] | number;

/** So many are counted before those of before are forgotten: sensors are set to another rate. */
const COUNTED_MAX = 256;

export class Pace {
  #usualMs: number | undefined;
  #leastMs = Number.POSITIVE_INFINITY;
  #leastBeforeMs = Number.POSITIVE_INFINITY;
  #counted = 0;

  constructor(state: PaceState | undefined) {
    if (typeof state === 'number') this.#usualMs = state;
    else if (state !== undefined) {
      const [usualMs, leastMs, leastBeforeMs, counted] = state;
      this.#usualMs = usualMs;
      this.#leastMs = leastMs;
      this.#leastBeforeMs = leastBeforeMs ?? Number.POSITIVE_INFINITY;
      this.#counted = counted;
    }
  }

  /** An average that a gap does not spoil; undefined: there has been but one sample. */
  get usualMs(): number | undefined {
    return this.#usualMs;
  }

  get leastMs(): number | undefined {
    const least = Math.min(this.#leastMs, this.#leastBeforeMs);
    return Number.isFinite(least) ? least : undefined;
  }

  /** Undefined: nothing is known. */
  get state(): PaceState | undefined {
    if (this.#usualMs === undefined) return undefined;
    if (!Number.isFinite(this.#leastMs)) return this.#usualMs;
    const before = Number.isFinite(this.#leastBeforeMs) ? this.#leastBeforeMs : null;
    return [this.#usualMs, this.#leastMs, before, this.#counted];
  }

  /** @param ms between a sample and the one before it */
  note(ms: number): void {
    const usual = this.#usualMs;
    // Whole, as it is kept: a restart must not change what a gap is.
    this.#usualMs = usual === undefined ? ms : Math.round(usual + (Math.min(ms, 2 * usual) - usual) / 8);
    if (this.#counted >= COUNTED_MAX) {
      this.#leastBeforeMs = this.#leastMs;
      this.#leastMs = Number.POSITIVE_INFINITY;
      this.#counted = 0;
    }
    this.#leastMs = Math.min(this.#leastMs, ms);
    this.#counted++;
  }
}
