/**
 * What the hub has acknowledged, on its way to the outbox. It is gathered for a moment: each write of it is a sync of the
 * card, and a look for fresh readings asked for together with it would wait for that. What a kill takes of it is sent
 * again, and the hub drops it.
 */
import type { Lane } from '@weir/protocols';
import type { Clock } from '../clock/clock.ts';

/** Some twenty syncs a second, however many batches come through. */
export const DELIVERED_EVERY_MS = 50;

export class Delivered {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #note: (lane: Lane, through: number) => Promise<void>;
  /** Items below are delivered, and not noted. */
  readonly #waiting = new Map<Lane, number>();
  #cancel: (() => void) | undefined;

  /** @param note resolves when the outbox has it */
  constructor(clock: Pick<Clock, 'after'>, note: (lane: Lane, through: number) => Promise<void>) {
    this.#clock = clock;
    this.#note = note;
  }

  add(lane: Lane, through: number): void {
    this.#keep(lane, through);
    this.#cancel ??= this.#clock.after(DELIVERED_EVERY_MS, () => void this.flush());
  }

  /**
   * Resolves when all that was added is noted. What could not be is so with the next flush: on this connection nothing of
   * it would be sent once more.
   */
  async flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    await Promise.all(
      waiting.map(([lane, through]) => this.#note(lane, through).catch(() => this.#keep(lane, through))),
    );
  }

  #keep(lane: Lane, through: number): void {
    this.#waiting.set(lane, Math.max(through, this.#waiting.get(lane) ?? 0));
  }
}
