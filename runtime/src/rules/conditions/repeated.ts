import type { Condition, Json } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import { Instances } from './instances.ts';
import { among, atLeast, type Verdict } from './logic.ts';
import type { Node, Scope, SeriesName, Turn } from './node.ts';
import { OverInstances } from './over-instances.ts';
import { signalsOf } from './signals.ts';
import { earlier } from './watch.ts';

type Repeating = Extract<Condition, { kind: 'repeated' }>;
type Build = (condition: Condition, scope: Scope, state: Json | undefined) => Node;

/**
 * It held for N of the last M samples, or N times within a time. Only fresh samples count, each once. A condition on one
 * signal is counted for each of its series: three readings of one oven, not one of each of three ovens.
 */
export function createRepeated(condition: Repeating, scope: Scope, state: Json | undefined, build: Build): Node {
  const [signal, ...more] = signalsOf(condition.condition);
  if (more.length > 0 || signal?.signal.across !== undefined) return new Repeated(condition, scope, state, build);
  return new RepeatedEach(condition, scope, state, build);
}

class RepeatedEach extends OverInstances {
  #every: boolean;

  constructor(condition: Repeating, scope: Scope, state: Json | undefined, build: Build) {
    // Of a group each device has its series, which are counted one by one there.
    const make = (inner: Scope, saved: Json | undefined) =>
      scope.isGroup ? createRepeated(condition, inner, saved, build) : new Repeated(condition, inner, saved, build);
    super(new Instances(condition.condition, scope, state, make));
    this.#every = scope.every;
  }

  protected summed(): Judgement {
    const judged = [...this.instances.judgements];
    const verdict = among(
      judged.map((each) => each.verdict),
      this.#every,
    );
    const first = judged.find((each) => each.verdict === verdict) ?? judged[0];
    const judgement: Judgement = { causes: [], ...first, verdict };
    delete judgement.dueAt;
    return judgement;
  }
}

interface RepeatedState {
  node: Json;
  /** Of samples, latest last: `t`, `f`, or `u` for unknown. */
  last?: string;
  /** Within a time: when it held, and when it was unknown; as many of each as can matter. */
  held?: number[];
  unknown?: number[];
  taken?: number;
}

class Repeated implements Node {
  #times: number;
  #within: Repeating['within'];
  #node: Node;
  #last: string;
  #held: number[];
  #unknown: number[];
  /** Has been taken and not been counted: others of its moment may follow. */
  #taken: number | undefined;

  constructor({ times, within, condition }: Repeating, scope: Scope, state: Json | undefined, build: Build) {
    this.#times = times;
    this.#within = within;
    const saved = state as unknown as RepeatedState | undefined;
    this.#node = build(condition, scope, saved?.node);
    this.#last = saved?.last ?? '';
    this.#held = saved?.held ?? [];
    this.#unknown = saved?.unknown ?? [];
    this.#taken = saved?.taken;
  }

  takes(series: SeriesName): boolean {
    return this.#node.takes(series);
  }

  take(sample: Sample): boolean {
    if (sample.ts !== this.#taken) this.#count();
    if (!this.#node.take(sample)) return false;
    this.#taken = sample.ts;
    return true;
  }

  /** What several signals said at one moment, and is judged at once, counts once. */
  #count(): void {
    const ts = this.#taken;
    if (ts === undefined) return;
    this.#taken = undefined;
    const { verdict } = this.#node.judge(ts);
    if ('samples' in this.#within) {
      const sign = verdict === undefined ? 'u' : verdict ? 't' : 'f';
      this.#last = (this.#last + sign).slice(-this.#within.samples);
    } else if (verdict !== false) {
      const list = verdict ? this.#held : this.#unknown;
      list.push(ts);
      // Only the latest N can make it N times.
      if (list.length > this.#times) list.shift();
    }
  }

  judge(now: number): Judgement {
    this.#count();
    const judged = this.#node.judge(now);
    const { verdict, dueAt } = 'samples' in this.#within ? this.#ofSamples() : this.#withinTime(now, this.#within.ms);
    const judgement: Judgement = { ...judged, verdict };
    delete judgement.dueAt;
    const due = earlier(dueAt, judged.dueAt);
    if (due !== undefined) judgement.dueAt = due;
    return judgement;
  }

  get state(): Json {
    return this.#stateWith(this.#node.state);
  }

  partOf(device: string | undefined): Json {
    const node = this.#node.partOf(device);
    return device === undefined ? this.#stateWith(node) : { node };
  }

  turn(device: string, turn: Turn): void {
    this.#count();
    this.#node.turn(device, turn);
  }

  #stateWith(node: Json): Json {
    const state: RepeatedState = { node };
    if ('samples' in this.#within) state.last = this.#last;
    else Object.assign(state, { held: [...this.#held], unknown: [...this.#unknown] });
    if (this.#taken !== undefined) state.taken = this.#taken;
    return state as unknown as Json;
  }

  moveTime(move: TimeMove): void {
    this.#count();
    this.#node.moveTime(move);
    this.#held = this.#held.map((ts) => movedPast(ts, move));
    this.#unknown = this.#unknown.map((ts) => movedPast(ts, move));
  }

  rearm(at: number): void {
    this.#count();
    this.#node.rearm(at);
  }

  #ofSamples(): { verdict: Verdict; dueAt?: number } {
    if (this.#last === '') return { verdict: undefined };
    let holding = 0;
    let unknown = 0;
    for (const sign of this.#last) {
      if (sign === 't') holding++;
      else if (sign === 'u') unknown++;
    }
    return { verdict: atLeast(this.#times, holding, unknown) };
  }

  #withinTime(now: number, ms: number): { verdict: Verdict; dueAt?: number | undefined } {
    const held = this.#held.filter((ts) => ts > now - ms);
    const unknown = this.#unknown.filter((ts) => ts > now - ms);
    const verdict = atLeast(this.#times, held.length, unknown.length);
    const oldest = earlier(held[0], unknown[0]);
    return { verdict, dueAt: oldest === undefined ? undefined : oldest + ms };
  }
}
