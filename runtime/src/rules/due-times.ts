/**
 * What falls due when, soonest first. A name that is set again leaves its former entry in the heap, where it is passed
 * over when it comes up; the heap is made anew when most of it is such.
 */
export class DueTimes<Key> {
  #due = new Map<Key, number>();
  #heap: [due: number, key: Key][] = [];

  get size(): number {
    return this.#due.size;
  }

  get(key: Key): number | undefined {
    return this.#due.get(key);
  }

  /** @param due undefined: never */
  set(key: Key, due: number | undefined): void {
    if (this.#due.get(key) === due) return;
    if (due === undefined) this.#due.delete(key);
    else {
      this.#due.set(key, due);
      this.#push(due, key);
    }
    if (this.#heap.length > 2 * this.#due.size + SLACK) this.#renew();
  }

  delete(key: Key): void {
    this.set(key, undefined);
  }

  clear(): void {
    this.#due.clear();
    this.#heap = [];
  }

  /** When the next one is due. */
  get next(): number | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return undefined;
      if (this.#due.get(top[1]) === top[0]) return top[0];
      this.#pop();
    }
  }

  /** Takes out what is due by then, soonest first. */
  take(now: number): Key[] {
    const keys: Key[] = [];
    for (let next = this.next; next !== undefined && next <= now; next = this.next) {
      const [, key] = this.#pop();
      this.#due.delete(key);
      keys.push(key);
    }
    return keys;
  }

  #push(due: number, key: Key): void {
    const heap = this.#heap;
    let at = heap.push([due, key]) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]![0] <= due) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = [due, key];
  }

  #pop(): [number, Key] {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    return top;
  }

  #sink(entry: [number, Key]): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]![0] < heap[child]![0]) child++;
      if (heap[child]![0] >= entry[0]) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }

  #renew(): void {
    this.#heap = [];
    for (const [key, due] of this.#due) this.#push(due, key);
  }
}

/** Entries of no use that are not worth making it anew. */
const SLACK = 64;
