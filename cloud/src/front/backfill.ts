/**
 * Keeps the backlog of a device from filling its partition of the log: behind what stands there its fresh readings, and
 * those of its neighbours, would wait until the worker is through with it.
 *
 *     enter -> log.append -> passed by the worker, or HELD_MS_MAX -> PUBACK
 *
 * So a device has as much of its backlog in the log as it has on its way, and its pace follows what the worker does. A
 * batch that is held back is durable, whatever becomes of the worker. It is known by its place alone: places that the
 * worker passes and nobody holds, from before a restart or after the time, count for none.
 */
import type { Clock } from '../clock/clock.ts';

/** Well under the shortest time-out of an agent, 5 s: a worker that is stuck makes a backlog slow, and stops none. */
export const HELD_MS_MAX = 2_000;
/** Of one device; an agent has a few on their way, and memory must not hang on what others do. */
const PLACES_MAX = 64;

export interface Place {
  /** Resolves when the batch may be acknowledged, if it is durable. */
  readonly passed: Promise<void>;
  /** It did not get into the log. */
  leave(): void;
}

export class Backfill {
  readonly #clock: Pick<Clock, 'sleep'>;
  /** By device, first to last. */
  readonly #places = new Map<string, AbortController[]>();

  constructor(clock: Pick<Clock, 'sleep'>) {
    this.#clock = clock;
  }

  /** Before the batch goes to the log. @returns undefined when too many are held back: this one is not */
  enter(device: string): Place | undefined {
    const places = this.#places.get(device) ?? [];
    if (places.length >= PLACES_MAX) return undefined;
    const place = new AbortController();
    places.push(place);
    this.#places.set(device, places);
    const passed = this.#clock.sleep(HELD_MS_MAX, place.signal).then(() => this.#remove(device, place));
    return { passed, leave: () => place.abort() };
  }

  /** The worker has committed what the next batch of the device brought about. */
  pass(device: string): void {
    const first = this.#places.get(device)?.[0];
    if (first === undefined) return;
    this.#remove(device, first);
    first.abort();
  }

  /** Holds back nothing any more. */
  release(): void {
    for (const places of this.#places.values()) for (const place of places) place.abort();
    this.#places.clear();
  }

  #remove(device: string, place: AbortController): void {
    const left = (this.#places.get(device) ?? []).filter((each) => each !== place);
    if (left.length === 0) this.#places.delete(device);
    else this.#places.set(device, left);
  }
}
