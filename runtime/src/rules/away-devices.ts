import { movedPast, type TimeMove } from '../fold/move-time.ts';
import { UNKNOWN_MS } from './episode/machine.ts';

/** `told`: what it said is taken for unknown. */
export type AwayDevice = [device: string, since: number, told?: 1];

/**
 * Devices of a group that are away. What one said counts for so long as a line that flaps is down, and is unknown from then
 * on, until it is heard of again.
 */
export class AwayDevices {
  #away: Map<string, { since: number; told: boolean }>;
  #due: number | undefined;

  constructor(state: readonly AwayDevice[] = []) {
    this.#away = new Map(state.map(([device, since, told]) => [device, { since, told: told === 1 }]));
  }

  /** Undefined: none. */
  get state(): AwayDevice[] | undefined {
    if (this.#away.size === 0) return undefined;
    return [...this.#away].map(([device, { since, told }]) => (told ? [device, since, 1] : [device, since]));
  }

  /** By the clock: when one has been away for long enough; infinity: none will. */
  get due(): number {
    this.#due ??= Math.min(
      Number.POSITIVE_INFINITY,
      ...[...this.#away.values()].map(({ since, told }) => (told ? Number.POSITIVE_INFINITY : since + UNKNOWN_MS)),
    );
    return this.#due;
  }

  has(device: string): boolean {
    return this.#away.has(device);
  }

  /** @returns whether that is news */
  leave(device: string, now: number): boolean {
    if (this.#away.has(device)) return false;
    this.#away.set(device, { since: now, told: false });
    this.#due = undefined;
    return true;
  }

  /** @returns whether it was taken for unknown; undefined: it was there */
  return(device: string): boolean | undefined {
    const told = this.#away.get(device)?.told;
    this.#away.delete(device);
    this.#due = undefined;
    return told;
  }

  /** Those that have been away for long enough, each with since when it counts as that. */
  takeDue(now: number): [device: string, at: number][] {
    const due = [...this.#away].filter(([, { since, told }]) => !told && since + UNKNOWN_MS <= now);
    for (const [, away] of due) away.told = true;
    if (due.length > 0) this.#due = undefined;
    return due.map(([device, { since }]) => [device, since + UNKNOWN_MS]);
  }

  moveTime(move: TimeMove): void {
    for (const away of this.#away.values()) away.since = movedPast(away.since, move);
    this.#due = undefined;
  }
}
