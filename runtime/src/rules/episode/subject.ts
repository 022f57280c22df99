/**
 * One subject of a rule: its samples in order, its head, and what of the past is not known yet.
 *
 *     arrives -> order -> head (track) -> its episode
 *                  '-> late -> gaps -> episodes of the past, and what they change of the head's
 *
 * By the clock it goes on as far behind it as its latest sample was: readings of a trace that is replayed are timed by
 * their own.
 */
import { AHEAD_MS_MAX } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import { isClockSet } from '../../fold/plausible.ts';
import type { Sample } from '../conditions/condition.ts';
import type { Turn } from '../conditions/node.ts';
import type { Subject } from '../conditions/signals.ts';
import { Ordered } from '../moment.ts';
import { Backlog } from './backlog.ts';
import type { GapState, Head, Tell } from './gap.ts';
import { isOpen, type Move } from './machine.ts';
import { devicesIn, Members, type ShareState } from './members.ts';
import { earlierOf, Order, type OrderState } from './order.ts';
import { Pace } from './pace.ts';
import { type Found, Gaps } from './past.ts';
import type { Settle, Teller } from './subject-port.ts';
import type { SubjectState } from './subject-state.ts';
import { type Facts, NO_FACTS, peakOf, Track, type TrackListener, type TrackRule, type TrackState } from './track.ts';
import type { OpenState } from './transitions.ts';

/** Clocks of hosts tick each second: who was not there for so long was down. */
const DOWN_MS = 10_000;

export class SubjectFold {
  readonly key: string;
  readonly of: Subject;
  readonly #rule: TrackRule;
  readonly #teller: Teller;
  readonly #listener: TrackListener;
  #order: Order;
  #shared: Order;
  #track: Track;
  #gaps: Gaps;
  #backlog: Backlog;
  /** Of a group. */
  readonly members: Members | undefined;
  #lagMs: number;
  readonly #pace: Pace;
  /** Event time of the latest sample that the head has taken. */
  #stepped: number;
  #isOffered = false;
  #isFresh = false;
  open: OpenState | undefined;
  unit: string | undefined;
  /** Among those of its rule: in this order what falls due at the same time is told. */
  place = 0;

  constructor(key: string, of: Subject, rule: TrackRule, teller: Teller, state?: SubjectState) {
    this.key = key;
    this.of = of;
    this.#rule = rule;
    this.#teller = teller;
    this.#order = new Order(rule.plan.latenessMs, of, state?.order);
    this.#shared = new Order(rule.plan.latenessMs, of, state?.shared);
    this.#track = new Track(rule, of, state?.track);
    this.#gaps = new Gaps(rule, of, state?.gaps);
    this.#backlog = new Backlog(state?.backlog, state !== undefined);
    if (rule.plan.by === 'group') this.members = new Members(state?.members ?? devicesIn(state?.order));
    this.#lagMs = state?.lagMs ?? 0;
    this.#pace = new Pace(state?.pace ?? state?.paceMs);
    this.#stepped = this.#order.taken;
    this.open = state?.open;
    this.unit = state?.unit;
    this.#listener = {
      onMove: (move, facts) => this.#onMove(move, facts),
      onLook: (judged) => {
        this.#gaps.onLook(judged);
        this.#teller.onLook?.(this, judged);
      },
    };
  }

  get state(): SubjectState {
    const state = this.#stateWith(this.#order.state, this.#track.state);
    if (this.members !== undefined) state.members = this.members.state;
    const gaps = this.#gaps.state;
    return gaps === undefined ? state : { ...state, gaps };
  }

  /** What is kept of it by itself: of a group without its devices, and without its gaps, which are as long as these. */
  get core(): SubjectState {
    return this.members === undefined ? this.state : this.#stateWith(this.#order.core, this.#track.core);
  }

  /** Of a group, what has changed since it was asked last; null: it is forgotten. */
  takeParts(): { shares: [device: string, share: ShareState | null][]; gaps?: GapState[] | null } {
    if (this.members === undefined) return { shares: [] };
    const shares = this.members.takeShares((device) => {
      const order = this.#order.shareOf(device);
      return { ...(order !== undefined && { order }), conditions: this.#track.shareOf(device) };
    });
    if (!this.#gaps.changed) return { shares };
    this.#gaps.changed = false;
    return { shares, gaps: this.#gaps.state ?? null };
  }

  /** Of a group: all of it is to be kept anew. */
  keepAll(): void {
    this.members?.allChanged();
    this.#gaps.changed = true;
  }

  #stateWith(order: OrderState, track: TrackState): SubjectState {
    const state: SubjectState = { of: this.of, lagMs: this.#lagMs, order, track };
    if (this.#shared.newest > 0) state.shared = this.#shared.state;
    if (this.unit !== undefined) state.unit = this.unit;
    const pace = this.#pace.state;
    if (pace !== undefined) state.pace = pace;
    if (this.open !== undefined) state.open = this.open;
    const backlog = this.#backlog.state;
    if (backlog !== undefined) state.backlog = backlog;
    return state;
  }

  get newest(): number {
    return this.#order.newest;
  }

  get isFiring(): boolean {
    return isOpen(this.#track.machine);
  }

  get rung(): number {
    return this.#track.machine.at;
  }

  takes(series: Pick<Sample, 'device' | 'sensor' | 'metric'>): boolean {
    return this.#track.takes(series);
  }

  /** What its conditions know of before it was there. */
  prime(sample: Sample): void {
    this.#track.prime(sample);
  }

  /** Of a state in the form of before: its last reading, which conditions are to know, and its worst. */
  recall(last: Sample | undefined, worst: number | undefined): void {
    if (last === undefined) return;
    if (worst !== undefined) this.#track.recall({ ...last, ts: last.ts - 1, value: worst });
    this.#track.prime(last);
  }

  /** To be taken by {@link proceed}, with all that is of the same moment. @returns whether anything has changed */
  offer(sample: Sample, receivedAt: number): boolean {
    this.#setBack(receivedAt);
    const { newest } = this;
    const arrived = this.#order.add(sample);
    if (arrived === 'again') return false;
    if (arrived === 'late') return this.#gaps.takeLate(sample, receivedAt);
    this.members?.arrived(sample, receivedAt);
    this.#isFresh = true;
    if (sample.unit !== undefined) this.unit = sample.unit;
    if (sample.ts >= newest) {
      this.#lagMs = Math.max(0, receivedAt - sample.ts);
      this.#backlog.arrived(this.#lagMs, receivedAt);
    }
    this.#isOffered = true;
    return true;
  }

  /** Another series, of which all subjects are told: it waits as its own do, or time would run ahead of these. */
  offerShared(sample: Sample): void {
    if (this.#shared.add(sample) === 'waits') this.#isOffered = true;
  }

  /** Takes what was offered, as far as it need not wait. */
  proceed(receivedAt: number): void {
    if (!this.#isOffered) return;
    this.#isOffered = false;
    this.#release(receivedAt);
    this.#tellHeld(receivedAt);
  }

  /** When something falls due, by the clock; infinity: nothing does. */
  due(settle: Settle): number {
    const waiting = Math.min(this.#order.due, this.#shared.due);
    const byEvent = Math.min(this.#track.due + this.#rule.plan.latenessMs, waiting) + this.#lagMs;
    return Math.min(this.#isWithheld(settle) ? settle.until : byEvent, this.#gaps.due(this.#head), this.#backlog.due);
  }

  /** @param settle while it lasts, what had fallen due before waits for a fresh sample, or for its end */
  tick(now: number, settle: Settle): void {
    this.#backlog.tick(now);
    this.#release(now);
    if (now >= settle.until || !this.#isWithheld(settle)) {
      this.#track.advance(now - this.#lagMs - this.#rule.plan.latenessMs, this.#listener);
    }
    for (const found of this.#gaps.settle(now, this.#head)) this.#take(found);
    this.#tellHeld(now);
  }

  /** Who watches it starts, or is here again: silence is counted anew. @returns when it has settled, by the clock */
  rearm(now: number, silenceMs: number): void {
    this.#isFresh = false;
    this.#track.rearm(now - this.#lagMs + silenceMs);
  }

  /** The device has gone away: from here on it is not known. @returns whether anything has changed */
  leave(): boolean {
    if (this.#track.machine.phase === 'quiet') return false;
    this.#gaps.openAway(this.#stepped, this.#track, this.open);
    return true;
  }

  /** It has been away for so long that people are to know. @param at by the clock, ms */
  tellAway(at: number): void {
    this.#track.goAway(at - this.#lagMs, this.#listener);
  }

  /** The device was away for so long: what was to be held was not held meanwhile. @returns whether anything has changed */
  return(awayMs: number): boolean {
    this.#isFresh = false;
    if (this.#track.machine.phase === 'quiet') return false;
    this.#track.skip(awayMs);
    if (this.open !== undefined && !this.open.fired) this.open.startedAt = this.#track.machine.startedAt;
    return true;
  }

  /** Of a group: a device came or went. @param now by the clock, ms. @returns whether anything is known of it */
  turn(device: string, is: Turn['is'], now: number): boolean {
    if (this.members === undefined || !this.members.has(device)) return false;
    const at = now - this.#lagMs;
    this.#track.turn(device, is === 'back' ? { is, at } : { is }, this.#listener, at - this.#rule.plan.latenessMs);
    if (is === 'gone') {
      this.#order.forget(device);
      this.members.forget(device);
    } else this.members.changed(device);
    return true;
  }

  /** A person has ended its episode: it begins anew. @param now by the clock, ms */
  endByHand(now: number): void {
    this.end('manual', Math.max(this.newest, now - this.#lagMs));
    this.#track.forget();
  }

  /** Nobody watches its episode any more. @param ts event time */
  end(reason: 'removed' | 'manual', ts: number): void {
    const { open } = this;
    this.#backlog.take();
    if (open === undefined) return;
    if (open.fired) {
      this.#teller.tell(this, open, this.#track.facts, { state: 'resolved', reason, ts, rung: open.rung }, false);
    }
    this.#gaps.onEnded(open, open.fired && open, this.#track.worst);
    this.open = undefined;
  }

  moveTime(move: TimeMove): void {
    const moved = (ts: number) => movedPast(ts, move);
    this.#order.moveTime(moved);
    this.#shared.moveTime(moved);
    this.#stepped = moved(this.#stepped);
    this.#track.moveTime(move);
    this.#gaps.moveTime(move);
    this.#backlog.moveTime(move);
    this.members?.moveTime(move);
    if (this.open === undefined) return;
    this.open.startedAt = moved(this.open.startedAt);
    this.open.toldAt = moved(this.open.toldAt);
  }

  get #head(): Head {
    const isKnown = this.#track.machine.unknownSince === undefined;
    const { open, isFiring } = this;
    const { usualMs: paceMs, leastMs } = this.#pace;
    return { open, isFiring, paceMs, leastMs, isSingle: this.#order.isSingle, isKnown };
  }

  #isWithheld({ from, until }: Settle): boolean {
    return (
      until > from && !this.#isFresh && this.#track.due <= from - DOWN_MS - this.#lagMs - this.#rule.plan.latenessMs
    );
  }

  /** A clock that was ahead has put its latest sample into the future: nothing would be fresh until then. */
  #setBack(receivedAt: number): void {
    const ahead = this.newest - receivedAt;
    if (ahead <= AHEAD_MS_MAX || !isClockSet(receivedAt)) return;
    this.moveTime({ from: receivedAt, shift: -ahead, now: receivedAt });
  }

  #release(now: number): void {
    let until = Math.max(this.newest, now - this.#lagMs);
    const ordered = new Ordered();
    for (;;) {
      const from = earlierOf(this.#shared, this.#order);
      const next = from.next(until);
      if (next === undefined) return;
      const isLast = !ordered.goesOn(next, earlierOf(this.#shared, this.#order).first);
      // All of a moment go, also where there is no room for all that wait.
      if (!isLast) until = Math.max(until, next.ts + this.#rule.plan.latenessMs);
      // Before a level of after it, too: what is late in it would be judged by that, and at its time.
      this.#gaps.before(next.ts, this.#stepped, this.#track, this.#head);
      if (from === this.#order) this.#step(next, isLast);
      // It begins with the first of its own: what others said before is known by then.
      else if (this.#stepped === 0 && this.newest > 0) this.#track.prime(next);
      else this.#track.take(next, this.#listener, isLast);
    }
  }

  #step(sample: Sample, isLast: boolean): void {
    this.#track.take(sample, this.#listener, isLast);
    this.members?.changed(sample.device);
    if (this.#stepped > 0 && sample.ts > this.#stepped) this.#pace.note(sample.ts - this.#stepped);
    this.#stepped = Math.max(this.#stepped, sample.ts);
    if (isLast) this.#gaps.after(sample, this.#head);
  }

  #onMove(move: Move, facts: Facts): void {
    if (move.kind === 'begin') {
      this.open = this.#teller.begun(this, move.ts);
      this.#gaps.onBegun(this.open);
      return;
    }
    const { open } = this;
    if (open === undefined) return;
    const told = move.kind === 'tell' ? this.#tell(open, move, facts) : undefined;
    if (move.kind !== 'drop' && move.state !== 'resolved') return;
    this.#gaps.onEnded(open, told, this.#track.worst);
    this.open = undefined;
  }

  /** @returns the episode as it was told, which of what is over before it could be is another; undefined: it is held */
  #tell(open: OpenState, move: Tell['move'], facts: Facts): OpenState | undefined {
    if (open.fired === undefined && !this.#backlog.isHolding) open.startedAt = this.#track.machine.startedAt;
    if (open.fired === undefined && this.#backlog.holds) {
      this.#backlog.hold({ move, facts });
      if (move.state !== 'resolved') return undefined;
      return this.#teller.tellPast(this, open.startedAt, this.#backlog.take());
    }
    this.#tellNow(open, move, facts);
    return open;
  }

  #tellNow(open: OpenState, move: Tell['move'], facts: Facts): void {
    const isFirst = open.fired === undefined;
    open.fired = true;
    this.#teller.tell(this, open, facts, move, isFirst);
  }

  /** What began in a backlog, and is true by now. */
  #tellHeld(now: number): void {
    const { open } = this;
    if (open === undefined || this.#backlog.due > now) return;
    for (const { move, facts } of this.#backlog.take()) this.#tellNow(open, move, facts);
  }

  #take(found: Found): void {
    if (found.kind === 'episode') this.#teller.tellPast(this, found.startedAt, found.tells);
    else if (found.kind === 'ended') this.#correct(found.open, found.at, NO_FACTS);
    else if (found.kind === 'began') this.#correctBegin(found);
    else this.#goOn(found);
  }

  /** It is over, and was told so: not people, but what is known of it is set right. */
  #correct(open: OpenState, ts: number, facts: Facts): void {
    this.#teller.tell(this, open, facts, { state: 'resolved', reason: 'corrected', ts, rung: open.rung }, false);
  }

  #correctBegin({ startedAt, worst, ended }: Extract<Found, { kind: 'began' }>): void {
    const open = ended ?? this.open;
    if (open === undefined || open.startedAt <= startedAt) return;
    open.startedAt = startedAt;
    if (ended !== undefined) {
      this.#correct(ended, ended.toldAt, { ...NO_FACTS, ...peakOf(worst) });
      return;
    }
    const { phase, away } = this.#track.machine;
    const state = away ?? (phase === 'recovering' ? 'recovering' : 'firing');
    this.#track.correct(startedAt, worst);
    // What is held nobody has been told of.
    if (open.fired === undefined) return;
    const detail = { state, reason: 'corrected', ts: this.#track.clock, rung: open.rung } as const;
    this.#teller.tell(this, open, this.#track.facts, detail, false);
  }

  /** What the head does not know of, and is true. */
  #goOn({ track, startedAt, tells }: Extract<Found, { kind: 'goes-on' }>): void {
    this.#track.adopt(track);
    this.open ??= this.#teller.begun(this, startedAt);
    this.open.startedAt = startedAt;
    const first = tells[0];
    if (first !== undefined && isOpen(this.#track.machine)) {
      const { rung } = this;
      const move = { kind: 'tell', state: 'firing', reason: first.move.reason, ts: this.#track.clock, rung } as const;
      this.#tell(this.open, move, tells.at(-1)!.facts);
    }
    this.#track.lookAgain(this.#track.clock, this.#listener);
  }
}
