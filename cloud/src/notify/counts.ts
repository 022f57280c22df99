/** What deliveries come to, by the kind of channel; for metrics. Since the hub was started. */
import type { Outcome } from './kinds/kind.ts';
import type { KindName } from './kinds/kinds.ts';

/** Bounds of how long it took from the message to its delivery. */
const WITHIN: readonly [ms: number, name: string][] = [
  [100, '0.1s'],
  [1_000, '1s'],
  [10_000, '10s'],
  [60_000, '1m'],
  [3_600_000, '1h'],
];

export interface Count<L> {
  labels: L;
  count: number;
}

export class NotifyCounts {
  readonly #attempts = new Map<string, Count<{ kind: KindName; outcome: Outcome['kind'] }>>();
  readonly #took = new Map<string, Count<{ kind: KindName; within: string }>>();

  attempted(kind: KindName, outcome: Outcome['kind']): void {
    add(this.#attempts, { kind, outcome });
  }

  /** @param ms from when the message was made */
  delivered(kind: KindName, ms: number): void {
    add(this.#took, { kind, within: WITHIN.find(([bound]) => ms <= bound)?.[1] ?? 'more' });
  }

  get attempts(): Count<{ kind: KindName; outcome: Outcome['kind'] }>[] {
    return [...this.#attempts.values()];
  }

  get took(): Count<{ kind: KindName; within: string }>[] {
    return [...this.#took.values()];
  }
}

function add<L extends object>(counts: Map<string, Count<L>>, labels: L): void {
  const key = Object.values(labels).join('\0');
  const before = counts.get(key);
  if (before === undefined) counts.set(key, { labels, count: 1 });
  else before.count += 1;
}
