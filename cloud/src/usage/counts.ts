/** What functions used since the hub began, for metrics: as far as it was committed. */
import { addUsage, NO_USAGE, type Usage } from '@weir/runtime';
import type { Where } from '../fleet/fleet.ts';
import { OTHERS, type UsageEntry } from './ledger.ts';

export interface FunctionCount extends Usage {
  function: string;
  version: string;
  where: Where;
}

/** Each costs Prometheus six series. Devices name functions as they like; what is over it is counted together. */
export const COUNTED_MAX = 1_000;

export class UsageCounts {
  readonly #counts = new Map<string, FunctionCount>();

  add(where: Where, entries: readonly UsageEntry[]): void {
    for (const entry of entries) {
      const known = this.#counts.has(keyOf(entry.function, entry.version, where)) || this.#counts.size < COUNTED_MAX;
      const [name, version] = known ? [entry.function, entry.version] : [OTHERS, OTHERS];
      const key = keyOf(name, version, where);
      const sum = addUsage(this.#counts.get(key) ?? NO_USAGE, entry);
      this.#counts.set(key, { function: name, version, where, ...sum });
    }
  }

  all(): Iterable<FunctionCount> {
    return this.#counts.values();
  }
}

function keyOf(name: string, version: string, where: Where): string {
  return `${where}/${name}@${version}`;
}
