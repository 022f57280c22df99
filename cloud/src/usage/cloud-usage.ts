/** What functions used in the hub: gathered for one partition, and added to the sums with the commit of their steps. */
import { type FunctionUsage, mergeUsage } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import type { Effects } from '../workers/effects.ts';
import type { UsageCounts } from './counts.ts';
import { type UsageEntry, usageChanges } from './ledger.ts';

export interface CloudUsageOptions {
  store: Store;
  partition: number;
  keepMs: number;
  counts: UsageCounts;
}

/** How long what ticks used may wait that changed nothing: they are not committed, so a crash takes it along. */
export const UNCOMMITTED_MS_MAX = 60_000;

export class CloudUsage {
  readonly #options: CloudUsageOptions;
  #uncommitted: FunctionUsage[] = [];
  #since = 0;

  constructor(options: CloudUsageOptions) {
    this.#options = options;
  }

  /** Of a tick that changed nothing. */
  keep(used: readonly FunctionUsage[], now: number): void {
    if (used.length === 0) return;
    if (this.#uncommitted.length === 0) this.#since = now;
    this.#uncommitted = mergeUsage([...this.#uncommitted, ...used]);
  }

  /** Puts what was kept among the effects, when it has waited long enough. */
  release(effects: Effects, now: number): void {
    if (this.#uncommitted.length > 0 && now >= this.#since + UNCOMMITTED_MS_MAX) {
      effects.use(this.#uncommitted.splice(0));
    }
  }

  /** Adds to the effects the change of the sums; to be called before they are committed. */
  async account(effects: Effects, now: number): Promise<void> {
    const { store, partition, keepMs, counts } = this.#options;
    if (effects.used.length === 0) return;
    const entries = mergeUsage(effects.used).map(({ fold, ...used }): UsageEntry => {
      return { function: fold, ...used, from: now, to: now };
    });
    const changes = await usageChanges(store, { partition, where: 'cloud' }, entries, { now, keepMs });
    effects.addOnce(changes, () => counts.add('cloud', entries));
  }
}
