/**
 * What crosses between the host process and the sandbox process: numbers, texts and columns in frames of our own, so
 * that nothing a broken sandbox says is ever more than bytes to be checked. Little endian.
 *
 *     to the sandbox                                     from the sandbox
 *     0  u32  bytes of the frame                         0  u32  bytes of the frame
 *     4  u32  id of the job                              4  u32  id of the job
 *     8  u8   ToChild                                    8  u8   FromChild
 *     9  u8   1: run it inline                           9  u8   index in FAILURES
 *     12 u32  bytes of the head                          12 u32  wallUs
 *     16 u32  readings                                   16 u32  cpuUs
 *     20 u32  number of the unit                         20 u32  heapBytes
 *     24      head, JSON                                 24      text, UTF-8
 *     then, from a multiple of 8: ts f64[], values f64[], index u16[]
 *
 * Inline: the step runs on the process's only loop, which saves two changes of thread, about 60 us. Until it has ended
 * the process hears nothing, so it is for units that are known to be quick.
 */
import type { Columns, Json } from '@weir/protocols';

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

/** What is kept of one state of a function. */
export interface KeptState {
  /** JSON of the user's state; empty: none yet. */
  text: string;
  /** Version and configuration whose `start` it has seen. */
  started?: string;
  timers?: [name: string, due: number][];
  /** Last run of each schedule in event time. */
  ran?: [schedule: string, at: number][];
}

/** Readings, an event, or what has fallen due. */
export interface StepRequest {
  /** Whose states: one unit serves many devices. */
  instance: string;
  /** Counts the steps of the instance; the isolate keeps the states of the revision it made last. */
  revision: number;
  /** States of that revision by their key. Left out when the isolate is thought to have them. */
  states?: [key: string, state: KeptState][];
  device: string;
  /** 32 bits; the same input gives the same seed. */
  seed: number;
  /** Arrival or wall time, ms: what is far ahead of it sets no timer. */
  receivedAt: number;
  /** Names version and configuration; only for a function that handles `start`. */
  version?: string;
  columns?: Columns;
  /** For each cron schedule in event time: its moments from the last before the first reading on, ascending. */
  marks?: { [schedule: string]: number[] };
  /** In wall time, that are due. */
  schedules?: { name: string; at: number }[];
  /** Up to when timers are due, also those of states that none of the readings is for. */
  timersUntil?: number;
  event?: StepEvent;
}

export interface StepEvent {
  handler: 'start' | 'command' | 'alert' | 'response' | 'online' | 'offline';
  /** Undefined: all states there are, at least one where there is no key. */
  keys?: string[];
  value?: Json;
  at: number;
}

/** What a step has cost. */
export interface StepCost {
  /** From its arrival in the sandbox process to its end; contains waiting for a thread. */
  wallUs: number;
  /**
   * For how long the isolate was at work since its answer before; not what the process does around it. Of two steps of
   * one unit in flight, one may be told a part of the other's. Its clock goes on while a busy machine keeps the thread
   * off its core: so it is, over 1 ms, at most 4 ms more than what the system counts for the thread, or for all
   * threads of the process where the step had one of its own. The same as `wallUs` where the process did not outlive
   * the step, and nobody knows better.
   */
  cpuUs: number;
  /**
   * Used heap and memory held outside of it by the isolate, with garbage not yet collected, when it was last looked
   * at: after its first step, after 5 ms of work and at least after every 64th step. 0: never yet.
   */
  heapBytes: number;
}

export const TO_CHILD = { load: 1, step: 2, drop: 3 } as const;
export const FROM_CHILD = { ready: 0, done: 1, unknownUnit: 2, failed: 3 } as const;
/** By number on the wire. */
export const FAILURES = ['threw', 'timed-out', 'out-of-memory'] as const;

/** Longer answers are an error of the function, not data: reading 2 MiB of JSON stalls the host for about 20 ms. */
export const ANSWER_BYTES_MAX = 2 * 1024 * 1024;
