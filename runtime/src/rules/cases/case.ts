/** A table test of a rule: what comes in, and what is to come of it. Times are ms after the start. */
import type { AlertReason, AlertState, JsonObject, Reading, Severity, Value } from '@weir/protocols';

export interface RuleCase {
  name: string;
  /** Where it stands in its file. */
  line: number;
  device: string;
  /** Of the start, ms since epoch. */
  startAt: number;
  /** Between two words of a series. */
  intervalMs: number;
  config: JsonObject;
  tags: Record<string, string>;
  /** In order of time. */
  actions: CaseAction[];
  /** How long there is input. */
  inputMs: number;
  /** All of them, in order; undefined: not looked at. */
  transitions?: WantedTransition[];
  episodes?: WantedEpisode[];
}

export type CaseAction = { atMs: number; line: number } & (
  | { kind: 'readings'; device: string; readings: Reading[] }
  | { kind: 'presence'; device: string; online: boolean }
  | { kind: 'restart'; downMs: number }
  | { kind: 'settings'; tags: Record<string, string>; config: JsonObject }
);

/** What is not said is not looked at. */
export interface WantedTransition {
  line: number;
  state: AlertState;
  atMs: number;
  severity?: Severity;
  reason?: AlertReason;
  value?: Value;
  peak?: number;
  level?: number;
  device?: string;
  sensor?: string;
  metric?: string;
  /** When the condition became true. */
  sinceMs?: number;
  historical?: boolean;
  count?: number;
  summary?: string;
}

export interface WantedEpisode {
  line: number;
  /** When the condition became true. */
  fromMs: number;
  /** Undefined: it is still open at the end. */
  toMs: number | undefined;
  /** The one it ends with, or all in their order. */
  severity?: Severity[];
  peak?: number;
  device?: string;
  sensor?: string;
  metric?: string;
  historical?: boolean;
}
