/** What crosses between the host process and the sandbox process: plain data only, checked on arrival. */
import type { Columns } from '@weir/protocols';

/** One function's code with its configuration; many devices may share one. */
export interface Unit {
  /** Same key, same unit. */
  key: string;
  code: string;
  /** JSON text. */
  config: string;
  timeoutMs: number;
  memoryMb: number;
}

export interface StepRequest {
  /** Whose state: one unit serves many devices. */
  instance: string;
  /** Counts the steps of the instance; the isolate keeps the state of the revision it made last. */
  revision: number;
  /** State of that revision as JSON; empty: none yet. Left out when the isolate is thought to have it. */
  state?: string;
  device: string;
  /** 32 bits; the same input gives the same seed. */
  seed: number;
  columns?: Columns;
  schedule?: { name: string; at: number };
}

export type ToChild =
  | { id: number; kind: 'load'; unit: Unit }
  | { id: number; kind: 'step'; key: string; request: StepRequest }
  | { id: number; kind: 'drop'; key: string };

export type FromChild =
  | { kind: 'ready' }
  /** Loaded: the definition's plain fields as JSON. Stepped: what the isolate answered, as JSON. */
  | { id: number; kind: 'done'; text: string }
  | { id: number; kind: 'unknown-unit' }
  | { id: number; kind: 'failed'; outcome: 'threw' | 'timed-out' | 'out-of-memory'; message: string };
