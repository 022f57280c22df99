import type { Json, JsonObject } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import type { Subject } from './signals.ts';

/** One place in the tree of a condition, with what it remembers; obligations as with the evaluator of the whole. */
export interface Node {
  takes(series: SeriesName): boolean;
  take(sample: Sample): boolean;
  judge(now: number): Judgement;
  readonly state: Json;
  /** Of a group: what is of this device alone; undefined: what is of none. See `by-device.ts`. */
  partOf(device: string | undefined): Json;
  /** Of a group: a device came or went. */
  turn(device: string, turn: Turn): void;
  moveTime(move: TimeMove): void;
  rearm(at: number): void;
}

/**
 * `away`: what it said is not known to be so any more. `back`: it is there again; each of its series is known with its next
 * reading, and silent from `at` on, ms of event time. `gone`: it is of the group no more.
 */
export type Turn = { is: 'away' } | { is: 'back'; at: number } | { is: 'gone' };

export type SeriesName = Pick<Sample, 'device' | 'sensor' | 'metric'>;

/** Where in a rule a node stands. */
export interface Scope {
  subject: Subject;
  /** Of many devices: a series is then told by its device too. */
  isGroup: boolean;
  config: JsonObject;
  /** Whether a condition must hold for each series of its signal, not for one of them. */
  every: boolean;
}
