/**
 * Judges the condition of one rung of a rule for one subject: true, false or unknown. What is not there, cannot be
 * compared or says of itself that it is bad makes a condition unknown, never true and never false.
 *
 *     Condition (a tree)          Node (the same tree, with what it remembers)
 *       of                          Combined
 *         above                       Comparison -> Watch -> a gauge for each series: last, window, …
 *         repeated                    Repeated
 *           silent                      Silence
 *
 * A signal without `across` stands for each of its series: of `when` one of them is enough, of `clear` it must be so
 * for all, or what is bad at one oven would end because another one is well.
 *
 * Samples of one series come in order of their time; one that is older than the last is left out, one that says what
 * the last said at the same moment is the same one again. The state is plain JSON; with it an evaluator goes on as if
 * nothing had been in between, but for silence, see {@link Evaluator.rearm}.
 */
import type { AlertCause, Condition, Json, JsonObject, RulePlan, Value } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import { buildNode } from './build.ts';
import type { Node, Turn } from './node.ts';
import type { Subject } from './signals.ts';
import { structureOf } from './structure.ts';

/** A reading, and whose it is. */
export interface Sample {
  device: string;
  sensor: string;
  metric: string;
  unit?: string;
  /** Event time, ms. */
  ts: number;
  value: Value;
  quality?: string;
  /** Of a group: its device has been away and has not caught up; until then nobody knows. */
  isStale?: boolean;
}

export interface Judgement {
  /** Undefined: nobody knows. */
  verdict: boolean | undefined;
  /** Why it cannot be judged: a level is missing, a unit is of another kind. */
  problem?: string;
  /** What was compared, of the series that is worst. */
  value?: Value;
  /** With what; of a range the side that is nearer. */
  level?: number;
  /** How far beyond its level; the greater, the worse. */
  badness?: number;
  /**
   * Of what is compared with what it usually is: in which way it is unusual, where that is not by its value. `unsteady`: the
   * value is how far readings are from one another, and the level how far they usually are.
   */
  manner?: 'unsteady' | 'stuck' | undefined;
  /** Of a condition over many: of how many it is known, and of how many not. */
  members?: { known: number; unknown: number };
  /** Readings that brought the verdict about, latest first. */
  causes: AlertCause[];
  /** Event time at which the verdict may be another one though no reading comes. */
  dueAt?: number;
}

export interface EvaluatorContext {
  /** Of the deployment: levels by `tag` are looked up in it. */
  config: JsonObject;
  by: RulePlan['by'];
  subject: Subject;
  /** `when` (default): one of the series of a signal is enough; `clear`: all of them. */
  role?: 'when' | 'clear';
}

export interface Evaluator {
  /** Whether {@link take} would do something with readings of this series. */
  takes(series: Pick<Sample, 'device' | 'sensor' | 'metric'>): boolean;
  /** @returns whether it was fresh: neither older than the last of its series nor the same one again */
  take(sample: Sample): boolean;
  /** @param now event time; does not go back */
  judge(now: number): Judgement;
  /** Plain JSON, bounded. */
  readonly state: Json;
  /** As with {@link Node}. */
  partOf(device: string | undefined): Json;
  turn(device: string, turn: Turn): void;
  moveTime(move: TimeMove): void;
  /**
   * Nobody was watching until then: the host was down, or the line to it. Silence is counted from there, or from the
   * last reading, whichever is later. What is restored from a state does so by itself at its first judgement.
   */
  rearm(at: number): void;
}

/**
 * @param state of an evaluator of this condition, or of one that differs in its levels only; another is not used, for
 * it says nothing about this one
 */
export function createEvaluator(condition: Condition, context: EvaluatorContext, state?: Json): Evaluator {
  return new RootEvaluator(condition, context, state);
}

interface RootState {
  /** Of the condition that it belongs to. */
  of: number;
  node: Json;
}

class RootEvaluator implements Evaluator {
  #node: Node;
  #structure: number;
  #isRestored: boolean;

  constructor(condition: Condition, context: EvaluatorContext, state: Json | undefined) {
    this.#structure = structureOf(condition);
    const saved = state as unknown as RootState | undefined;
    const isUsable = saved?.of === this.#structure;
    this.#isRestored = isUsable;
    const { subject, by, config, role = 'when' } = context;
    const scope = { subject, isGroup: by === 'group', config, every: role === 'clear' };
    this.#node = buildNode(condition, scope, isUsable ? saved.node : undefined);
  }

  takes(series: Pick<Sample, 'device' | 'sensor' | 'metric'>): boolean {
    return this.#node.takes(series);
  }

  take(sample: Sample): boolean {
    return this.#node.take(sample);
  }

  judge(now: number): Judgement {
    if (this.#isRestored) this.rearm(now);
    return this.#node.judge(now);
  }

  get state(): Json {
    return { of: this.#structure, node: this.#node.state };
  }

  partOf(device: string | undefined): Json {
    const node = this.#node.partOf(device);
    return device === undefined ? { of: this.#structure, node } : { node };
  }

  turn(device: string, turn: Turn): void {
    this.#node.turn(device, turn);
  }

  moveTime(move: TimeMove): void {
    this.#node.moveTime(move);
  }

  rearm(at: number): void {
    this.#isRestored = false;
    this.#node.rearm(at);
  }
}
