/**
 * A rule as a fold: `step(state, samples) -> { state', transitions }`, with one machine for each of its subjects. When an
 * episode begins and ends is specified in `episode/README.md`.
 *
 *     samples -> subjects: order -> track (conditions, machine) -> episode -> transitions, actuation
 *                                        too many at once ---------------------> one summary
 */
import type { Columns, RulePlan } from '@weir/protocols';
import type { RuleLoad, Standing } from '../fold/fold.ts';
import { movedPast, type TimeMove } from '../fold/move-time.ts';
import type { Selector } from '../fold/select.ts';
import { AwayDevices } from './away-devices.ts';
import type { Sample } from './conditions/condition.ts';
import { signalsOf } from './conditions/signals.ts';
import { lastOf, type RuleState, readKept, subjectOf, WHOLE } from './episode/kept.ts';
import { UNKNOWN_MS } from './episode/machine.ts';
import { SubjectFold } from './episode/subject.ts';
import type { Settle } from './episode/subject-port.ts';
import { type RuleOutput, RuleTeller } from './episode/teller.ts';
import { type TrackRule, trackRule } from './episode/track.ts';
import { Moment } from './moment.ts';
import { References } from './references.ts';
import { giveWay, SUBJECTS_MAX } from './room.ts';
import { Routes, type SeriesName } from './routes.ts';
import { keptStates, RuleChanges, type RuleKeeps } from './rule-changes.ts';
import type { RuleFoldOptions } from './rule-fold-options.ts';
import { sampleAt } from './sample-at.ts';
import { isNamed, silenceOf } from './silence-of.ts';
import { SubjectDues } from './subject-dues.ts';
import { type Taker, Takers } from './takers.ts';

/** Nothing is taken for silent, and nothing that had fallen due before is told, for so long after a start: sensors are heard of again first. */
const SETTLE_MS = 60_000;

export class RuleFold {
  readonly plan: RulePlan;
  readonly version: string;
  readonly #device: string;
  readonly #keptAs: string;
  readonly #rule: TrackRule;
  readonly #teller: RuleTeller;
  readonly #signals: readonly Selector[];
  readonly #silenceMs: number | undefined;
  #subjects = new Map<string, SubjectFold>();
  #placed = 0;
  readonly #takers: Takers;
  /** Of each subject, unless all are yet to be looked at, or the device is away. */
  readonly #dues = new SubjectDues();
  readonly #references: References;
  #away: RuleState['away'];
  /** Of a group. */
  readonly #awayDevices: AwayDevices;
  #settle: Settle = { from: 0, until: 0 };
  /** Nothing has come yet. What is the time, its first input says: there may be a backlog from before. */
  #isStarting: boolean;
  /** Have been offered what is of one moment, and are to take it; one may be there several times, and takes all at its first. */
  readonly #offered: SubjectFold[] = [];
  readonly #changes: RuleChanges;
  /** When something falls due, by the clock; never later than it is. */
  #due = Number.NEGATIVE_INFINITY;
  #saysFull = true;

  constructor({ device, plan, version, config, states, now, onStep, ...options }: RuleFoldOptions) {
    const { keptAs = plan.name, isTakenOver = false } = options;
    this.#device = device;
    this.plan = plan;
    this.#keptAs = keptAs;
    this.version = version;
    this.#rule = trackRule(plan, config);
    const conditions = plan.ladder.flatMap(({ when, clear }) => (clear === undefined ? [when] : [when, clear]));
    this.#signals = conditions.flatMap(signalsOf).map(({ signal }) => signal);
    this.#takers = new Takers(new Routes(plan, this.#signals));
    this.#silenceMs = silenceOf(plan);
    const { state, subjects, references, isOld, isInParts } = readKept(keptAs, device, states);
    this.#away = state.away;
    this.#awayDevices = new AwayDevices(state.devices);
    this.#references = new References(references, plan.latenessMs);
    this.#teller = new RuleTeller({ device, version, rule: this.#rule }, state, onStep);
    this.#changes = new RuleChanges(isOld);
    for (const [key, kept] of subjects) {
      const subject = new SubjectFold(key, kept.of, this.#rule, this.#teller, kept);
      if (isOld) subject.recall(lastOf(kept), kept.track.worst?.[0]);
      this.#put(subject);
      this.#teller.restore(subject);
      if (isOld) this.#changes.add(subject);
      if (subject.members !== undefined && !isInParts) {
        subject.keepAll();
        this.#changes.add(subject);
      }
    }
    this.#addNamed();
    this.#isStarting = !isTakenOver;
  }

  /** What it takes. */
  get selectors(): readonly Selector[] {
    return this.#signals;
  }

  /** Wall time before which {@link tick} has nothing to do; undefined: not before there are more readings. */
  get dueAt(): number | undefined {
    return this.#due === Number.POSITIVE_INFINITY ? undefined : this.#due;
  }

  get load(): Omit<RuleLoad, 'spentMs'> {
    const active = [...this.#subjects.values()].filter(({ isFiring }) => isFiring).length;
    const { evaluations, bytes } = this.#changes.meter;
    return { evaluations, subjects: this.#subjects.size, active, stateBytes: bytes };
  }

  /** Everything that it keeps, as JSON by key: for the next version of it. */
  get states(): Map<string, string> {
    return keptStates(this.#keeps);
  }

  /** What has changed since this was asked last, to be committed. */
  takeChanges(into: { fold: string; json: string | null }[]): void {
    this.#changes.isOfRule ||= this.#teller.changed;
    this.#teller.changed = false;
    this.#changes.take(this.#keeps, into);
  }

  /**
   * @param of of which device the readings are, default: that of the host; and the places of those that it takes,
   * default: it finds them
   * @returns readings looked at
   */
  step(
    columns: Columns,
    receivedAt: number,
    out: RuleOutput,
    { device = this.#device, places = columns.index.keys() }: { device?: string; places?: Iterable<number> } = {},
  ): number {
    this.#teller.into(out);
    if (this.#isStarting) this.#settleFrom(receivedAt);
    if (this.plan.by === 'group') this.#heardOf(device, receivedAt);
    let series = -1;
    let taker: Taker = { subject: undefined, isShared: false };
    let count = 0;
    const moment = new Moment();
    for (const i of places) {
      const at = columns.index[i]!;
      if (at !== series) {
        series = at;
        const name = { ...columns.series[at]!, device };
        taker = this.#takers.of(name, () => this.#subjectFor(name, out));
      }
      const { subject, isShared } = taker;
      if (subject === undefined && !isShared) continue;
      count++;
      const sample = sampleAt(columns, i, device, receivedAt);
      if (moment.ends(sample.ts, at)) this.#proceed(receivedAt);
      if (subject?.offer(sample, receivedAt)) this.#changes.add(subject);
      if (subject !== undefined) this.#offered.push(subject);
      if (isShared) this.#takeShared(sample, subject);
    }
    this.#proceed(receivedAt);
    this.#changes.meter.evaluations += count;
    if (count > 0) this.#teller.settle(receivedAt);
    return count;
  }

  /** What falls due. @param now up to when all that arrived was taken in, ms */
  tick(now: number, out: RuleOutput): void {
    if (this.#isStarting) this.#settleFrom(now);
    if (now < this.#due) return;
    this.#teller.into(out);
    for (const [device, at] of this.#awayDevices.takeDue(now)) this.#turn(device, 'away', at);
    if (this.#away === undefined) this.#tickSubjects(now);
    else this.#tellAway(this.#away);
    this.#teller.settle(now);
  }

  /** Of a group: one of its devices came or went, or is of it no more; or so it is as the rule begins. */
  member(device: string, is: Standing['is'], now: number, out: RuleOutput): void {
    this.#teller.into(out);
    const group = this.#subjects.get(WHOLE);
    if (is === 'online') this.#heardOf(device, now);
    else if (is === 'offline' && group?.members?.has(device)) {
      this.#changes.isOfRule ||= this.#awayDevices.leave(device, now);
      this.#due = Math.min(this.#due, this.#awayDevices.due);
    } else if (is === 'gone') {
      if (this.#awayDevices.return(device) !== undefined) this.#changes.isOfRule = true;
      this.#turn(device, 'gone', now);
    }
    this.#teller.settle(now);
  }

  /** So it is with the device as the rule begins. `unheard`: while nothing was heard of either, nothing falls due. */
  stands(is: Standing['is'], now: number): void {
    const isUnheard = is === 'unheard' && [...this.#subjects.values()].every(({ newest }) => newest === 0);
    if (isUnheard || is === 'offline' || is === 'online') this.presence(is === 'online', now);
  }

  /** The device came or went; while it is away nothing falls due. */
  presence(online: boolean, now: number): void {
    if (online === (this.#away === undefined)) return;
    this.#changes.isOfRule = true;
    if (!online) {
      this.#away = { since: now };
      for (const subject of this.#subjects.values()) if (subject.leave()) this.#changes.add(subject);
      this.#due = now + UNKNOWN_MS;
      return;
    }
    const awayMs = Math.max(0, now - this.#away!.since);
    this.#away = undefined;
    for (const subject of this.#subjects.values()) if (subject.return(awayMs)) this.#changes.add(subject);
    this.#settleFrom(now);
  }

  /**
   * A person ended an episode: what is true then begins another. With a summary all end that it stands for.
   * @param now wall time, ms
   * @returns false: it is none of these
   */
  endByHand(episode: string, now: number, out: RuleOutput): boolean {
    const covered = this.#teller.coveredBy(episode);
    const subjects = [...this.#subjects.values()].filter(
      ({ open, key }) => open?.fired && (covered?.includes(key) ?? open.episode === episode),
    );
    if (covered === undefined && subjects.length === 0) return false;
    this.#teller.into(out);
    for (const subject of subjects) {
      subject.endByHand(now);
      this.#changes.add(subject);
      this.#arm(subject);
    }
    this.#teller.settle(now, 'manual');
    return true;
  }

  moveTime(move: TimeMove): void {
    for (const subject of this.#subjects.values()) {
      subject.moveTime(move);
      this.#changes.add(subject);
    }
    this.#teller.moveTime(move);
    for (const series of this.#references.moveTime(move)) this.#changes.addReference(series);
    if (this.#away !== undefined) this.#away.since = movedPast(this.#away.since, move);
    this.#awayDevices.moveTime(move);
    this.#changes.isOfRule = true;
    if (this.#settle.until > 0)
      this.#settle = { from: this.#settle.from + move.shift, until: this.#settle.until + move.shift };
    this.#due = Number.NEGATIVE_INFINITY;
  }

  /** Ends every episode that the rule, as it is now, no longer watches. */
  endUnwatched(out: RuleOutput, all = false): void {
    this.#teller.into(out);
    let latest = 0;
    for (const subject of this.#subjects.values()) {
      if (!all && this.#takers.routes.watches(subject.of)) continue;
      latest = Math.max(latest, subject.newest);
      subject.end('removed', subject.newest);
      this.#drop(subject);
    }
    if (all) {
      for (const series of this.#references.clear()) this.#changes.addReference(series);
    }
    this.#teller.settle(latest, 'removed');
  }

  get #keeps(): RuleKeeps {
    return {
      keptAs: this.#keptAs,
      state: () => this.#state,
      subjects: this.#subjects,
      references: this.#references.byKey,
    };
  }

  get #state(): RuleState {
    const devices = this.#awayDevices.state;
    const away = this.#away !== undefined && { away: this.#away };
    return { ...this.#teller.state, ...away, ...(devices !== undefined && { devices }) };
  }

  /** Of a group: this device is there. */
  #heardOf(device: string, now: number): void {
    if (this.#away !== undefined) this.presence(true, now);
    const wasUnknown = this.#awayDevices.return(device);
    if (wasUnknown !== undefined) this.#changes.isOfRule = true;
    if (wasUnknown) this.#turn(device, 'back', now);
  }

  #turn(device: string, is: 'away' | 'back' | 'gone', now: number): void {
    const group = this.#subjects.get(WHOLE);
    if (group?.turn(device, is, now)) this.#changes.add(group);
    if (group !== undefined) this.#arm(group);
  }

  /** What was measured at one moment and came at once is judged at once: a value beside a level of before would be neither. */
  #proceed(receivedAt: number): void {
    for (const subject of this.#offered) {
      subject.proceed(receivedAt);
      this.#arm(subject);
    }
    this.#offered.length = 0;
  }

  #arm(subject: SubjectFold): void {
    if (this.#away !== undefined || this.#due === Number.NEGATIVE_INFINITY) return;
    this.#dues.set(subject, this.#settle);
    this.#due = Math.min(this.#dues.next, this.#awayDevices.due);
  }

  #tickSubjects(now: number): void {
    if (this.#due === Number.NEGATIVE_INFINITY) this.#dues.renew(this.#subjects.values(), this.#settle);
    for (const subject of this.#dues.take(now, this.#settle)) {
      subject.tick(now, this.#settle);
      this.#changes.add(subject);
      this.#dues.set(subject, this.#settle);
    }
    this.#due = Math.min(this.#dues.next, this.#awayDevices.due);
  }

  /** Once, when it has been away for longer than a line that flaps is. */
  #tellAway(away: NonNullable<RuleState['away']>): void {
    this.#due = Number.POSITIVE_INFINITY;
    if (away.told) return;
    for (const subject of this.#subjects.values()) {
      if (!subject.isFiring) continue;
      subject.tellAway(away.since + UNKNOWN_MS);
      this.#changes.add(subject);
    }
    this.#away = { since: away.since, told: true };
    this.#changes.isOfRule = true;
  }

  #settleFrom(now: number): void {
    this.#isStarting = false;
    this.#settle = { from: now, until: now + SETTLE_MS };
    const silenceMs = this.#silenceMs;
    if (silenceMs !== undefined) {
      // Never sooner than settled, though the rule would say so.
      for (const subject of this.#subjects.values()) subject.rearm(now, Math.max(0, SETTLE_MS - silenceMs));
    }
    this.#due = this.#away === undefined ? Number.NEGATIVE_INFINITY : this.#away.since + UNKNOWN_MS;
  }

  /** @param own whose own it is, and who has it */
  #takeShared(sample: Sample, own: SubjectFold | undefined): void {
    const noted = this.#references.note(sample);
    if (noted !== undefined) this.#changes.addReference(noted);
    for (const subject of this.#subjects.values()) {
      if (subject === own || !subject.takes(sample)) continue;
      subject.offerShared(sample);
      this.#changes.add(subject);
      this.#offered.push(subject);
    }
  }

  #put(subject: SubjectFold): void {
    subject.place = this.#placed++;
    this.#subjects.set(subject.key, subject);
  }

  #drop(subject: SubjectFold): void {
    this.#subjects.delete(subject.key);
    this.#dues.delete(subject);
    this.#takers.clear();
    this.#changes.forget(subject);
  }

  #subjectFor(series: SeriesName, out: RuleOutput): SubjectFold | undefined {
    const { key, of } = subjectOf(this.plan.by, this.#device, series);
    if (this.#subjects.has(key)) return this.#subjects.get(key);
    if (this.#subjects.size >= SUBJECTS_MAX && !this.#makeRoom(out)) return undefined;
    return this.#add(key, of);
  }

  #add(key: string, of: SubjectFold['of']): SubjectFold {
    const subject = new SubjectFold(key, of, this.#rule, this.#teller);
    for (const sample of this.#references.levelsFor(subject)) {
      // With lateness it may be newer than what the subject begins with.
      if (this.plan.latenessMs > 0) subject.offerShared(sample);
      else subject.prime(sample);
    }
    this.#put(subject);
    return subject;
  }

  /** Silence of what is named in full is told though it was never heard of. */
  #addNamed(): void {
    const { by, watches } = this.plan;
    if (this.#silenceMs === undefined || !isNamed(this.plan)) return;
    const { key, of } = subjectOf(by, this.#device, { device: this.#device, ...watches });
    if (!this.#subjects.has(key)) this.#add(key, of);
  }

  #makeRoom({ logs }: RuleOutput): boolean {
    const { going, text, ts } = giveWay(this.#subjects);
    for (const subject of going) this.#drop(subject);
    if (this.#saysFull) logs.push({ fold: this.plan.name, level: 'warn', text, ts });
    this.#saysFull = false;
    return going.length > 0;
  }
}
