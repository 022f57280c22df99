/**
 * One subject of a rule through event time: its conditions, and the machine that follows from what they say.
 *
 *     sample -> advance to its time -> conditions take it -> conditions are judged -> machine -> moves
 *                  '-> at each moment at which something falls due: judged -> machine -> moves
 *
 * Time does not go back: a sample of another series that is a little older counts as of now.
 */
import { changesAt, inTimes, type Json, type JsonObject, type RulePlan } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import { movedPast } from '../../fold/move-time.ts';
import { createEvaluator, type Evaluator, type Judgement, type Sample } from '../conditions/condition.ts';
import type { Turn } from '../conditions/node.ts';
import type { Subject } from '../conditions/signals.ts';
import {
  dueOf,
  look,
  type MachineState,
  type Move,
  movedMachine,
  quietMachine,
  type Terms,
  withAway,
  withoutSpan,
} from './machine.ts';

/** A rule as its tracks need it; made once. */
export interface TrackRule {
  plan: RulePlan;
  config: JsonObject;
  terms: Terms;
  /** Of the device, where it says so. */
  zone: string | undefined;
}

export interface TrackState {
  /** Event time up to which it has got, ms. */
  clock: number;
  /** Undefined: quiet. */
  machine?: MachineState;
  /** Worst value of the episode so far, and how bad that is. */
  worst?: Worst;
  /** Of the evaluators, from the least rung to the greatest, `when` before `clear`. */
  conditions: Json[];
}

/** `manner`: where the value is none of a reading. */
export type Worst = [value: number, badness: number, manner?: 'unsteady'];

/** What a move is about. */
export interface Facts extends Judgement {
  peak?: number;
  peakManner?: 'unsteady';
}

export function peakOf(worst: Worst | undefined): Pick<Facts, 'peak' | 'peakManner'> {
  if (worst === undefined) return {};
  const [peak, , peakManner] = worst;
  return peakManner === undefined ? { peak } : { peak, peakManner };
}

export const NO_FACTS: Facts = { verdict: undefined, causes: [] };

export interface TrackListener {
  onMove(move: Move, facts: Facts): void;
  /** Told of each time it was judged. */
  onLook?(judged: Judged): void;
}

/** What the conditions of each rung said at a moment, and where the machine was afterwards. */
export interface Judged {
  ts: number;
  /** A reading brought it about. */
  fresh: boolean;
  rungs: readonly { when: Judgement; clear?: Judgement }[];
  machine: MachineState;
  /** Within the times at which the rule is watched. */
  watched: boolean;
}

interface RungEvaluators {
  when: Evaluator;
  clear?: Evaluator;
}

/** More moments than that between two samples are of a clock that has jumped: what is between is left out. */
const DUES_MAX = 1_000;

export function trackRule(plan: RulePlan, config: JsonObject): TrackRule {
  const { exit, ladder, forMs } = plan;
  const { keepFiringForMs, samples, noRecurrenceForMs, resolveAfterMs, manual } = exit;
  const terms: Terms = {
    forMs,
    keepFiringForMs,
    samples,
    manual,
    silent: ladder.map(({ when }) => when.kind === 'silent'),
    ...(noRecurrenceForMs !== undefined && { noRecurrenceForMs }),
    ...(resolveAfterMs !== undefined && { resolveAfterMs }),
  };
  return { plan, config, terms, zone: typeof config.tz === 'string' ? config.tz : undefined };
}

export class Track {
  readonly #rule: TrackRule;
  readonly #rungs: readonly RungEvaluators[];
  /** All of them, from the least rung to the greatest, `when` before `clear`. */
  readonly #evaluators: readonly Evaluator[];
  #machine: MachineState;
  #clock: number;
  #worst: TrackState['worst'];
  /** When a condition may be another one though nothing comes. */
  #conditionsDue = Number.POSITIVE_INFINITY;
  /** Of the schedule: what it is at the clock, and until when. */
  #isWatched = true;
  /** Something was fresh to a condition and is yet to be looked at. */
  #isFresh = false;
  #watchKnown: [from: number, to: number] = [0, -1];

  constructor(rule: TrackRule, subject: Subject, state?: TrackState) {
    this.#rule = rule;
    this.#clock = state?.clock ?? 0;
    this.#machine = machineFor(state?.machine, rule);
    this.#worst = state?.worst;
    this.#rungs = evaluatorsFor(rule, subject, state?.conditions ?? []);
    this.#evaluators = this.#rungs.flatMap(({ when, clear }) => (clear === undefined ? [when] : [when, clear]));
    if (state !== undefined) this.#findDue();
  }

  get clock(): number {
    return this.#clock;
  }

  get machine(): MachineState {
    return this.#machine;
  }

  get worst(): TrackState['worst'] {
    return this.#worst;
  }

  /** As it is known. */
  get facts(): Facts {
    return this.#factsOf(this.#rungs[this.#machine.at]!.when.judge(this.#clock));
  }

  get state(): TrackState {
    return this.#stateWith(this.#evaluators.map((each) => each.state));
  }

  #stateWith(conditions: Json[]): TrackState {
    const state: TrackState = { clock: this.#clock, conditions };
    const isQuiet = this.#machine.phase === 'quiet' && this.#machine.rungs.every((rung) => isEmpty(rung));
    if (!isQuiet) state.machine = this.#machine;
    if (this.#worst !== undefined) state.worst = this.#worst;
    return state;
  }

  /** Of a group: what is of none of its devices, or of one of them alone. */
  get core(): TrackState {
    return this.#stateWith(this.#evaluators.map((each) => each.partOf(undefined)));
  }

  shareOf(device: string): Json[] {
    return this.#evaluators.map((each) => each.partOf(device));
  }

  /** Of a group: a device came or went, and what is said of it is another thing now. */
  turn(device: string, turn: Turn, listener: TrackListener, at: number): void {
    this.advance(at, listener);
    for (const each of this.#evaluators) each.turn(device, turn);
    this.lookAgain(at, listener);
  }

  /** Event time at which something may follow though nothing comes. */
  get due(): number {
    return Math.min(dueOf(this.#machine, this.#rule.terms), this.#conditionsDue, this.#scheduleDue);
  }

  takes(series: Pick<Sample, 'device' | 'sensor' | 'metric'>): boolean {
    return this.#evaluators.some((each) => each.takes(series));
  }

  /** @param isLast false: another of the same moment follows, and all are looked at together */
  take(sample: Sample, listener: TrackListener, isLast = true): void {
    // A sample speaks for its own moment: what falls due at it knows of it.
    this.advance(sample.ts - 1, listener);
    for (const each of this.#evaluators) if (each.takes(sample)) this.#isFresh = each.take(sample) || this.#isFresh;
    if (!isLast || !this.#isFresh) return;
    this.#isFresh = false;
    this.#look(Math.max(sample.ts, this.#clock), true, listener);
  }

  /** As a sample that nobody looks at: what the conditions know from before. */
  prime(sample: Sample): void {
    for (const each of this.#evaluators) if (each.takes(sample)) each.take(sample);
  }

  /** A reading that was the worst of its episode. */
  recall(sample: Sample): void {
    this.prime(sample);
    this.#worst = worstOf(this.#judge(this.#clock).rungs[0]!.when) ?? this.#worst;
  }

  /** Lets happen what falls due until then, each at its own time. */
  advance(to: number, listener: TrackListener): void {
    let last = Number.NEGATIVE_INFINITY;
    for (let count = 0; count < DUES_MAX; count++) {
      const { due } = this;
      if (due > to) return;
      if (due <= last) break;
      last = due;
      this.#look(Math.max(due, this.#clock), false, listener);
    }
    // What is left, is as it is by then.
    if (this.due <= to) this.#look(Math.max(to, this.#clock), false, listener);
  }

  /** Judged now, though nothing has come. */
  lookAgain(at: number, listener: TrackListener): void {
    this.#look(Math.max(at, this.#clock), false, listener);
  }

  /** Who watches is not connected. */
  goAway(at: number, listener: TrackListener): void {
    const ts = Math.max(at, this.#clock);
    const { state, moves } = withAway(this.#machine, ts);
    this.#machine = state;
    for (const move of moves) listener.onMove(move, this.facts);
  }

  /** For so long nobody was watching. */
  skip(ms: number): void {
    this.#machine = withoutSpan(this.#machine, ms);
  }

  /** Silence is counted from then on. @param at event time */
  rearm(at: number): void {
    for (const each of this.#evaluators) each.rearm(at);
    this.#findDue();
  }

  /** Somebody has ended its episode: it begins anew. */
  forget(): void {
    this.#machine = quietMachine(this.#rule.plan.ladder.length);
    this.#worst = undefined;
  }

  /** Goes on as another track of the same subject has it, with what its own conditions know. */
  adopt({ machine, worst }: Pick<TrackState, 'machine' | 'worst'>): void {
    if (machine !== undefined) this.#machine = machine;
    this.#worst = worst;
  }

  /** Its episode began earlier, and was worse. */
  correct(startedAt: number, worst: TrackState['worst']): void {
    this.#machine = { ...this.#machine, startedAt };
    this.#worst = worseOf(this.#worst, worst);
  }

  moveTime(move: TimeMove): void {
    for (const each of this.#evaluators) each.moveTime(move);
    const moved = (ts: number) => movedPast(ts, move);
    this.#machine = movedMachine(this.#machine, moved);
    this.#clock = moved(this.#clock);
    this.#watchKnown = [0, -1];
    this.#findDue();
  }

  get #scheduleDue(): number {
    const { schedule } = this.#rule.plan;
    if (schedule.length === 0) return Number.POSITIVE_INFINITY;
    this.#watch(this.#clock);
    return this.#watchKnown[1];
  }

  #watch(at: number): boolean {
    const { plan, zone } = this.#rule;
    if (plan.schedule.length === 0) return true;
    const [from, to] = this.#watchKnown;
    if (at < from || at >= to) {
      this.#isWatched = inTimes(plan.schedule, at, zone);
      this.#watchKnown = [at, changesAt(plan.schedule, at, zone)];
    }
    return this.#isWatched;
  }

  #findDue(): void {
    this.#conditionsDue = this.#judge(this.#clock).due;
  }

  #judge(ts: number): { rungs: { when: Judgement; clear?: Judgement }[]; due: number } {
    let due = Number.POSITIVE_INFINITY;
    const judged = (each: Evaluator) => {
      const judgement = each.judge(ts);
      if (judgement.dueAt !== undefined && judgement.dueAt > ts) due = Math.min(due, judgement.dueAt);
      return judgement;
    };
    const rungs = this.#rungs.map(({ when, clear }) => {
      return clear === undefined ? { when: judged(when) } : { when: judged(when), clear: judged(clear) };
    });
    return { rungs, due };
  }

  #look(ts: number, fresh: boolean, listener: TrackListener): void {
    this.#clock = ts;
    const { rungs, due } = this.#judge(ts);
    this.#conditionsDue = due;
    const watched = this.#watch(ts);
    const { state, moves } = look(
      this.#machine,
      {
        ts,
        rungs: rungs.map(({ when, clear }) => ({
          on: when.verdict,
          over: clear === undefined ? negated(when.verdict) : clear.verdict,
        })),
        fresh,
        watched,
        problem: rungs.some(({ when, clear }) => (when.problem ?? clear?.problem) !== undefined),
      },
      this.#rule.terms,
    );
    const before = this.#machine;
    this.#machine = state;
    if (before.phase !== 'quiet') this.#noteWorst(rungs[0]!.when);
    for (const move of moves) {
      if (move.kind === 'begin') {
        this.#worst = undefined;
        this.#noteWorst(rungs[0]!.when);
      }
      const { when, clear } = rungs[move.kind === 'tell' ? move.rung : 0]!;
      const isOver = move.kind === 'tell' && (move.state === 'resolved' || move.state === 'recovering');
      listener.onMove(move, this.#factsOf(when, isOver ? clear : undefined));
    }
    if (state.phase === 'quiet') this.#worst = undefined;
    listener.onLook?.({ ts, fresh, rungs, machine: state, watched });
  }

  #noteWorst(judgement: Judgement): void {
    const worst = worstOf(judgement);
    if (worst !== undefined && (this.#worst === undefined || worst[1] > this.#worst[1])) this.#worst = worst;
  }

  #factsOf(when: Judgement, clear?: Judgement): Facts {
    const facts: Facts = { ...when, ...peakOf(this.#worst) };
    if (clear !== undefined && clear.causes.length > 0) facts.causes = clear.causes;
    return facts;
  }
}

function worstOf({ value, badness, manner }: Judgement): Worst | undefined {
  if (typeof value !== 'number' || badness === undefined) return undefined;
  return manner === 'unsteady' ? [value, badness, manner] : [value, badness];
}

function evaluatorsFor({ plan, config }: TrackRule, subject: Subject, states: readonly Json[]): RungEvaluators[] {
  const { by, unit } = plan;
  const left = [...states];
  const next = () => left.shift() ?? undefined;
  const context = { config, unit, by, subject };
  return plan.ladder.map(({ when, clear }) => {
    const evaluators: RungEvaluators = { when: createEvaluator(when, { ...context, role: 'when' }, next()) };
    if (clear !== undefined) evaluators.clear = createEvaluator(clear, { ...context, role: 'clear' }, next());
    return evaluators;
  });
}

/** Of a version with another ladder, rungs that are gone are in force no more, and what it was at is the nearest. */
function machineFor(state: MachineState | undefined, { plan }: TrackRule): MachineState {
  const count = plan.ladder.length;
  if (state === undefined) return quietMachine(count);
  if (state.rungs.length === count) return state;
  const rungs = Array.from({ length: count }, (_, at) => ({ ...state.rungs[at] }));
  const last = Math.min(state.at, count - 1);
  if (state.phase === 'firing' && !rungs.some((rung) => rung.in)) rungs[last]!.in = true;
  return { ...state, rungs, at: last };
}

/** The first of two that are as bad. */
export function worseOf(a: TrackState['worst'], b: TrackState['worst']): TrackState['worst'] {
  return a === undefined || (b !== undefined && b[1] > a[1]) ? b : a;
}

function negated(verdict: boolean | undefined): boolean | undefined {
  return verdict === undefined ? undefined : !verdict;
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
