import type { Balance } from './ledger.ts';

/** One way in which the world fails Weir, on real processes. */
export interface Scenario {
  /** One line for `--help`. */
  about: string;
  /** Why it cannot run on this machine; undefined: it can. */
  unavailable?(): string | undefined;
  run(options: ScenarioOptions): Promise<Outcome>;
}

export interface ScenarioOptions {
  /** 0 to 1, the same for the same seed. */
  random: () => number;
  /** `short`: as the end-to-end tests have it, in seconds. */
  size: 'short' | 'full';
  /** Of the scenario with kills. */
  rounds: number;
  /** How long a disk is full; undefined: as the size has it. */
  fullMs?: number | undefined;
  /** Progress for a person who watches. */
  say(line: string): void;
  /** Aborted: somebody has had enough, and what was started is ended. */
  signal: AbortSignal;
}

export interface Outcome {
  /** Counts and seconds, for whoever reads the verdict. */
  figures: Record<string, number>;
  /** What must not be; empty: it holds. */
  faults: string[];
}

/** What is said of a balance in every scenario. */
export function figuresOf({ acknowledged, stored, lost, dropped, told, ...rest }: Balance) {
  const { storedTwice: stored_twice, outOfOrder: out_of_order, inGaps: in_gaps } = rest;
  return { acknowledged, stored, lost, stored_twice, out_of_order, dropped, told, in_gaps };
}

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
  signal.throwIfAborted();
}

/** Numbers from 0 to 1. mulberry32. */
export function chance(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
