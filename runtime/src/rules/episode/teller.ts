/** Tells of the episodes of one rule, one by one or, where they are too many, by one that stands for them. */
import type { AlertCause, AlertTransition } from '@weir/protocols';
import type { LogLine, Publish } from '../../fold/fold.ts';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import type { Tell } from './gap.ts';
import { addCauses, type Covered, endOfMany, type SummaryState, summaryMove, summaryOfMany } from './overflow.ts';
import type { SubjectFold } from './subject.ts';
import type { TellDetail, Teller } from './subject-port.ts';
import { type Facts, type Judged, NO_FACTS } from './track.ts';
import { actuation, newOpen, type OpenState, pastOpen, type RuleIdentity, tellOf } from './transitions.ts';

/** What a rule brings about in a step. */
export interface RuleOutput {
  alerts: AlertTransition[];
  publishes: Publish[];
  logs: LogLine[];
}

/** Told of each time a subject was judged, e.g. to explain why it did or did not fire. */
export type OnStep = (step: { subject: string; of: SubjectFold['of']; judged: Judged }) => void;

export interface TellerState {
  opened: number;
  summary?: SummaryState;
}

/** Problems of one rule that are said in the log, each once. */
const PROBLEMS_MAX = 20;

export class RuleTeller implements Teller {
  readonly #identity: RuleIdentity;
  readonly #onStep: OnStep | undefined;
  #opened: number;
  #summary: SummaryState | undefined;
  #covered = new Map<string, Covered>();
  /** Told one by one, and open. */
  #told = new Set<string>();
  /** Of those that were covered last. */
  #causes: AlertCause[] = [];
  #coveredAt = 0;
  #problems = new Set<string>();
  #out: RuleOutput = { alerts: [], publishes: [], logs: [] };
  changed = false;

  constructor(identity: RuleIdentity, { opened, summary }: TellerState, onStep: OnStep | undefined) {
    this.#identity = identity;
    this.#opened = opened;
    this.#summary = summary;
    this.#causes = summary?.causes ?? [];
    this.#coveredAt = summary?.at ?? 0;
    this.#onStep = onStep;
  }

  get state(): TellerState {
    if (this.#summary === undefined) return { opened: this.#opened };
    return { opened: this.#opened, summary: { ...this.#summary, causes: this.#causes, at: this.#coveredAt } };
  }

  /** Into which everything goes from here on. */
  into(out: RuleOutput): void {
    this.#out = out;
  }

  /** It is there from before. */
  restore({ key, open, rung }: SubjectFold): void {
    if (!open?.fired) return;
    if (open.covered) this.#covered.set(key, { key, rung });
    else this.#told.add(key);
  }

  begun({ key }: SubjectFold, startedAt: number): OpenState {
    this.changed = true;
    return newOpen(this.#identity, key, startedAt, this.#opened++);
  }

  tell(subject: SubjectFold, open: OpenState, facts: Facts, detail: TellDetail, isFirst: boolean): void {
    const { key } = subject;
    const isOld = detail.reason === 'corrected' && detail.state === 'resolved';
    if (isFirst && this.#told.size >= this.#identity.rule.plan.openMax) open.covered = true;
    const transition = tellOf(this.#identity, subject.of, subject.unit, open, facts, detail);
    const isEnd = detail.state === 'resolved';
    if (!isOld) {
      const publish = actuation(this.#identity, transition, isFirst);
      if (publish !== undefined) this.#out.publishes.push(publish);
    }
    if (open.covered) {
      if (!isOld) this.#cover(subject, facts, detail, isEnd);
      return;
    }
    if (isEnd && !isOld) this.#told.delete(key);
    else if (isFirst) this.#told.add(key);
    this.#out.alerts.push(transition);
  }

  tellPast(subject: SubjectFold, startedAt: number, tells: readonly Tell[]): OpenState {
    const open = pastOpen(this.#identity, subject.key, startedAt);
    for (const { move, facts } of tells) {
      this.#out.alerts.push(tellOf(this.#identity, subject.of, subject.unit, open, facts, move));
    }
    return open;
  }

  onLook({ key, of }: SubjectFold, judged: Judged): void {
    this.#onStep?.({ subject: key, of, judged });
    for (const { when, clear } of judged.rungs) {
      const problem = when.problem ?? clear?.problem;
      if (problem !== undefined) this.#sayProblem(key, problem, judged.ts);
    }
  }

  /** Those that the summary of this id stands for; undefined: it is none. */
  coveredBy(episode: string): string[] | undefined {
    return this.#summary?.open.episode === episode ? [...this.#covered.keys()] : undefined;
  }

  /** To be called at the end of each step: the summary is told once at most. */
  settle(ts: number, reason: 'summary' | 'removed' | 'manual' = 'summary'): void {
    const covered = [...this.#covered.values()];
    const rung = covered.reduce((most, each) => Math.max(most, each.rung), 0);
    const move = summaryMove(this.#summary, covered.length, rung);
    if (move === undefined) return;
    this.changed = true;
    const at = this.#coveredAt === 0 ? ts : this.#coveredAt;
    this.#summary ??= { open: newOpen(this.#identity, 'summary', at, this.#opened++), told: 0, causes: [], at };
    const { open } = this.#summary;
    const { plan } = this.#identity.rule;
    if (move === 'end') {
      const detail = { state: 'resolved', reason, ts: at, rung: open.rung } as const;
      this.#push(open, NO_FACTS, { ...detail, summary: endOfMany(plan), count: this.#summary.told });
      this.#summary = undefined;
      this.#causes = [];
      this.#coveredAt = 0;
      return;
    }
    const facts = { ...NO_FACTS, causes: this.#causes };
    const summary = summaryOfMany(plan, covered);
    this.#push(open, facts, { state: 'firing', reason: 'summary', ts: at, rung, summary, count: covered.length });
    open.fired = true;
    this.#summary.told = covered.length;
  }

  moveTime(move: TimeMove): void {
    if (this.#summary === undefined) return;
    const { open } = this.#summary;
    open.startedAt = movedPast(open.startedAt, move);
    open.toldAt = movedPast(open.toldAt, move);
    this.#coveredAt = movedPast(this.#coveredAt, move);
    this.changed = true;
  }

  #push(open: OpenState, facts: Facts, detail: TellDetail & { summary: string; count: number }): void {
    this.#out.alerts.push(tellOf(this.#identity, {}, undefined, open, facts, detail));
  }

  #cover({ key }: SubjectFold, { causes }: Facts, { ts, rung }: TellDetail, isEnd: boolean): void {
    this.#coveredAt = Math.max(this.#coveredAt, ts);
    this.changed = true;
    if (isEnd) {
      this.#covered.delete(key);
      return;
    }
    if (!this.#covered.has(key)) this.#causes = addCauses(this.#causes, causes.slice(0, 1));
    this.#covered.set(key, { key, rung });
  }

  #sayProblem(key: string, problem: string, ts: number): void {
    if (this.#problems.has(problem) || this.#problems.size >= PROBLEMS_MAX) return;
    this.#problems.add(problem);
    const text = `the rule cannot be judged for ${key.replace('/', ' ')}: ${problem}`;
    this.#out.logs.push({ fold: this.#identity.rule.plan.name, level: 'warn', text, ts });
  }
}
