/** What functions use: added up from step to step, and from one report to the next. */
import type { Usage } from '../fold/fold.ts';

/** What a function used in one step, or in some of them. */
export interface FunctionUsage extends Usage {
  fold: string;
  version: string;
  /** Its limit. */
  memoryMb: number;
}

export const NO_USAGE: Readonly<Usage> = {
  invocations: 0,
  readings: 0,
  cpuMs: 0,
  heapBytesMax: 0,
  errors: 0,
  outputs: 0,
};

export function addUsage(a: Readonly<Usage>, b: Readonly<Usage>): Usage {
  return {
    invocations: a.invocations + b.invocations,
    readings: a.readings + b.readings,
    cpuMs: a.cpuMs + b.cpuMs,
    heapBytesMax: Math.max(a.heapBytesMax, b.heapBytesMax),
    errors: a.errors + b.errors,
    outputs: a.outputs + b.outputs,
  };
}

/** What came on top of `before`; undefined: nothing. A peak is no sum: it is told as it is. */
export function usageSince(before: Readonly<Usage>, now: Readonly<Usage>): Usage | undefined {
  if (now.invocations === before.invocations && now.readings === before.readings) return undefined;
  return {
    invocations: now.invocations - before.invocations,
    readings: now.readings - before.readings,
    cpuMs: now.cpuMs - before.cpuMs,
    heapBytesMax: now.heapBytesMax,
    errors: now.errors - before.errors,
    outputs: now.outputs - before.outputs,
  };
}

/** One entry for each version of each function. */
export function mergeUsage(usages: Iterable<FunctionUsage>): FunctionUsage[] {
  const merged = new Map<string, FunctionUsage>();
  for (const usage of usages) {
    const { fold, version, memoryMb } = usage;
    const key = `${fold}@${version}`;
    const before = merged.get(key);
    merged.set(key, {
      fold,
      version,
      memoryMb: Math.max(memoryMb, before?.memoryMb ?? 0),
      ...addUsage(before ?? NO_USAGE, usage),
    });
  }
  return [...merged.values()];
}
