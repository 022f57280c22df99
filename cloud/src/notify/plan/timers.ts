/** What falls due when: one time for each key, the earliest first. */
export class Timers {
  readonly #at = new Map<string, number>();
  /** A binary heap; an entry whose time is not that of its key any more is passed over. */
  #heap: { key: string; at: number }[] = [];

  set(key: string, at: number | undefined): void {
    if (at === undefined) {
      this.#at.delete(key);
      return;
    }
    if (this.#at.get(key) === at) return;
    this.#at.set(key, at);
    this.#push({ key, at });
    // Times that are moved again and again leave their old entries behind.
    if (this.#heap.length > 2 * this.#at.size + STALE_MAX) this.#rebuild();
  }

  get nextAt(): number | undefined {
    this.#dropStale();
    return this.#heap[0]?.at;
  }

  /** Takes one that is due. */
  take(now: number): string | undefined {
    this.#dropStale();
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.#pop();
    this.#at.delete(first.key);
    return first.key;
  }

  #dropStale(): void {
    while (this.#heap.length > 0 && this.#at.get(this.#heap[0]!.key) !== this.#heap[0]!.at) this.#pop();
  }

  #rebuild(): void {
    this.#heap = [...this.#at].map(([key, at]) => ({ key, at })).sort((a, b) => a.at - b.at);
  }

  #push(entry: { key: string; at: number }): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.at <= heap[at]!.at) return;
      [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && heap[left]!.at < heap[least]!.at) least = left;
      if (right < heap.length && heap[right]!.at < heap[least]!.at) least = right;
      if (least === at) return;
      [heap[least], heap[at]] = [heap[at]!, heap[least]!];
      at = least;
    }
  }
}

const STALE_MAX = 1_000;
