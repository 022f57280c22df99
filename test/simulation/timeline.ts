/**
 * Simulated time: what is to happen, in order. Between two events everything that follows from the first, however many
 * promises long, has come to rest; so a run depends on nothing but what was drawn.
 */
interface Entry {
  at: number;
  order: number;
  run: (() => void) | undefined;
}

export class Timeline {
  #now: number;
  #order = 0;
  /** A heap: the earliest first, of equal ones the one that was set first. */
  readonly #heap: Entry[] = [];
  /** A promise that was rejected and that nobody has taken. */
  #failure: Error | undefined;
  #events = 0;

  constructor(start: number) {
    this.#now = start;
  }

  /** ms since epoch, with fractions */
  get now(): number {
    return this.#now;
  }

  get events(): number {
    return this.#events;
  }

  /** @returns a function that cancels it */
  after(ms: number, run: () => void): () => void {
    const entry: Entry = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#push(entry);
    return () => {
      entry.run = undefined;
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** A bug of whatever is simulated; the run ends with it. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  /** Goes on until then, or until `isDone`, which is asked after each event. */
  async runUntil(end: number, isDone: () => boolean = () => false): Promise<void> {
    await settled();
    while (!isDone()) {
      if (this.#failure !== undefined) throw this.#failure;
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      this.#pop();
      if (next.run === undefined) continue;
      this.#now = Math.max(this.#now, next.at);
      this.#events++;
      next.run();
      await settled();
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (!isDone()) this.#now = Math.max(this.#now, end);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** All microtasks, and what they set off, have run when the event loop turns. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
