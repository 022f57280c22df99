/**
 * Samples of a device, or a sensor, that has been away and brings what it has kept, in order and all at once: what began in
 * the backlog may be over a moment later. So what begins while samples are much further behind the clock than usual is held
 * until it is clear: what ends within the backlog is historical, what is true at its end fires then, with its true begin.
 *
 *     lag    __|‾‾‾\___      usual, a backlog comes, usual again
 *     held     ├──┤          told when it has caught up, or after a pause, for some stay behind
 */
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import { LATE_END_MS, LATE_PAUSE_MS, TELLS_MAX, type Tell } from './gap.ts';

export interface BacklogState {
  /** How far behind the clock samples are, as a rule, ms. */
  usualMs: number;
  /** By arrival: since when they are further behind than that. */
  since?: number;
  held?: Tell[];
  heldAt?: number;
}

/** So much further behind than usual is a backlog; a line that was cut for less brings no more than a late alert. */
const BEHIND_MS = 60_000;

export class Backlog {
  #usualMs: number | undefined;
  #since: number | undefined;
  #held: Tell[];
  #heldAt: number;
  #now = 0;

  /** @param state undefined with `isKnown`: samples were timely */
  constructor(state: BacklogState | undefined, isKnown: boolean) {
    this.#usualMs = state?.usualMs ?? (isKnown ? 0 : undefined);
    this.#since = state?.since;
    this.#held = [...(state?.held ?? [])];
    this.#heldAt = state?.heldAt ?? 0;
  }

  /** Undefined: samples are timely. */
  get state(): BacklogState | undefined {
    const usualMs = this.#usualMs ?? 0;
    if (usualMs === 0 && this.#since === undefined && this.#held.length === 0) return undefined;
    const state: BacklogState = { usualMs };
    if (this.#since !== undefined) state.since = this.#since;
    return this.#held.length === 0 ? state : { ...state, held: this.#held, heldAt: this.#heldAt };
  }

  /** Whether what begins is held; what is held already is until it is told, and so is what becomes of it. */
  get holds(): boolean {
    return this.#since !== undefined || this.isHolding;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** By arrival: when what is held is told; infinity: nothing is. */
  get due(): number {
    if (this.#held.length === 0) return Number.POSITIVE_INFINITY;
    return this.#since === undefined ? this.#heldAt : this.#heldAt + LATE_PAUSE_MS;
  }

  /** @param lagMs of the latest sample */
  arrived(lagMs: number, receivedAt: number): void {
    this.#now = receivedAt;
    this.#usualMs = Math.min(this.#usualMs ?? lagMs, lagMs);
    if (this.#usualMs < BEHIND_MS) this.#usualMs = 0;
    if (lagMs <= this.#usualMs + BEHIND_MS) this.#since = undefined;
    else if (receivedAt - (this.#since ?? receivedAt) < LATE_END_MS) this.#since ??= receivedAt;
    else {
      // It stays behind: its clock was set, or a trace is replayed.
      this.#usualMs = lagMs;
      this.#since = undefined;
    }
  }

  tick(now: number): void {
    this.#now = now;
  }

  hold(tell: Tell): void {
    if (this.#held.length === 0) this.#heldAt = this.#now;
    if (this.#held.length >= TELLS_MAX) this.#held.splice(1, 1);
    this.#held.push(tell);
  }

  /** What was held, which is nobody's any more. */
  take(): Tell[] {
    return this.#held.splice(0);
  }

  moveTime(move: TimeMove): void {
    if (this.#since !== undefined) this.#since = movedPast(this.#since, move);
    this.#heldAt = movedPast(this.#heldAt, move);
    for (const { move: told } of this.#held) told.ts = movedPast(told.ts, move);
  }
}
