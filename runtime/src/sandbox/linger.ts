/**
 * Keeps the host's loop awake while an answer is about to come: to sleep and be woken costs the host and the process
 * that wakes it tens of microseconds each, more than a small step. All else that the loop has to do goes on.
 *
 * Only where steps follow one another without a pause, as in a replay, and only as long as the answers do come in
 * that time: on a busy machine the process needs the very core that is kept from it.
 */
import { availableParallelism } from 'node:os';
import type { StepCost } from './protocol.ts';

/** A step that is handed over so soon after an answer follows upon it. */
const FOLLOWS_MS = 0.2;
/** Answers come at least so often while there is work … */
const ANSWERS_WAIT_US = 100;
/** … and are on the way for as long as this, on a machine that is not busy. */
const ON_THE_WAY_US = 50;
/** After so many times for nothing, one time in so many is tried. */
const MISSES_MAX = 2;
const TRY_EVERY = 64;
/** What takes so much longer than its work was kept off its core. */
const CORE_TAKEN_MS = 0.5;

export class Linger {
  #isOn = false;
  #isAwaited = false;
  #until = 0;
  #turnedAt = 0;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #misses = 0;
  #untried = 0;
  #hasCores = availableParallelism() > 1;

  /** @param expectedUs all that is in flight is expected to take */
  handedOver(expectedUs: number): void {
    const now = performance.now();
    if (!this.#hasCores || now - this.#answeredAt > FOLLOWS_MS) return;
    if (this.#misses >= MISSES_MAX && this.#untried++ % TRY_EVERY !== 0) return;
    this.#isAwaited = true;
    this.#until = now + (Math.min(expectedUs, ANSWERS_WAIT_US) + ON_THE_WAY_US) / 1_000;
    if (this.#isOn) return;
    this.#isOn = true;
    this.#turnedAt = now;
    setImmediate(this.#turn);
  }

  answered({ wallUs, cpuUs }: StepCost): void {
    this.#answeredAt = performance.now();
    this.#isAwaited = false;
    if (wallUs - cpuUs > CORE_TAKEN_MS * 1_000) this.#misses = MISSES_MAX;
  }

  #turn = (): void => {
    const now = performance.now();
    const isTaken = now - this.#turnedAt > CORE_TAKEN_MS;
    const isLate = now > this.#until;
    this.#turnedAt = now;
    if (this.#isAwaited && !isLate && !isTaken) {
      setImmediate(this.#turn);
      return;
    }
    this.#isOn = false;
    if (isTaken) this.#misses = MISSES_MAX;
    else this.#misses = this.#isAwaited ? this.#misses + 1 : 0;
  };
}
