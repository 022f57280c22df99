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
  moveTime(move: TimeMove): void;
  rearm(at: number): void;
}

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
