/**
 * A rule as a fold: `step(state, samples) -> { state', transitions }`, with one machine for each of its subjects. When an
 * episode begins and ends is specified in `episode/README.md`.
 *
 *     samples -> subjects: order -> track (conditions, machine) -> episode -> transitions, actuation
 *                                        too many at once ---------------------> one summary
 */
import type { Columns, JsonObject, RulePlan } from '@weir/protocols';
import type { RuleLoad } from '../fold/fold.ts';
import { movedPast, type TimeMove } from '../fold/move-time.ts';
import { globMatches, type Selector } from '../fold/select.ts';
import type { Sample } from './conditions/condition.ts';
import { signalsOf } from './conditions/signals.ts';
import { isOfKind, lastOf, type RuleState, readKept, referenceKey, subjectKey, subjectOf } from './episode/kept.ts';
import { UNKNOWN_MS } from './episode/machine.ts';
import { seriesKey } from './episode/packed-sample.ts';
import { type Settle, SubjectFold } from './episode/subject.ts';
import { type OnStep, type RuleOutput, RuleTeller } from './episode/teller.ts';
import { type TrackRule, trackRule } from './episode/track.ts';
import { Moment } from './moment.ts';
import { giveWay, SUBJECTS_MAX } from './room.ts';
import { Routes, type SeriesName } from './routes.ts';
import { RuleMeter } from './rule-meter.ts';
import { sampleAt } from './sample-at.ts';
import { silenceOf } from './silence-of.ts';
import { SubjectDues } from './subject-dues.ts';
import { type Taker, Takers } from './takers.ts';

export interface RuleFoldOptions {
  /** Of the host. */
  device: string;
  plan: RulePlan;
  version: string;
  /** Of the deployment. */
  config: JsonObject;
  /** JSON by key, as committed last, or as the version before has them. */
  states: ReadonlyMap<string, string>;
  /** Wall time, ms. */
  now: number;
  /** Key of what is kept; default: the name of the rule. */
  keptAs?: string;
  /** It goes on where another version is just now; default: the host starts. */
  isTakenOver?: boolean;
  onStep?: OnStep | undefined;
}

/** Series that levels of several subjects come from; one for each subject, or a few for all. */
const REFERENCES_MAX = 10_000;
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
  #references: Map<string, Sample>;
  #away: RuleState['away'];
  #settle: Settle = { from: 0, until: 0 };
  /** Nothing has come yet. What is the time, its first input says: there may be a backlog from before. */
  #isStarting: boolean;
  #changed = new Set<string>();
  /** Have been offered what is of one moment, and are to take it. */
  readonly #offered = new Set<SubjectFold>();
  #ruleChanged: boolean;
  /** When something falls due, by the clock; never later than it is. */
  #due = Number.NEGATIVE_INFINITY;
  #saysFull = true;
  readonly #load = new RuleMeter();

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
    const { state, subjects, references, isOld } = readKept(keptAs, device, states);
    this.#away = state.away;
    this.#references = references;
    this.#teller = new RuleTeller({ device, version, rule: this.#rule }, state, onStep);
    this.#ruleChanged = isOld;
    for (const [key, kept] of subjects) {
      const subject = new SubjectFold(key, kept.of, this.#rule, this.#teller, kept);
      if (isOld) subject.recall(lastOf(kept), kept.track.worst?.[0]);
      this.#put(subject);
      this.#teller.restore(subject);
      if (isOld) this.#changed.add(key);
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
    const { evaluations, bytes } = this.#load;
    return { evaluations, subjects: this.#subjects.size, active, stateBytes: bytes };
  }

  /** Everything that it keeps, as JSON by key: for the next version of it. */
  get states(): Map<string, string> {
    const name = this.#keptAs;
    const states = new Map([[name, JSON.stringify(this.#state)]]);
    for (const [key, subject] of this.#subjects) states.set(subjectKey(name, key), JSON.stringify(subject.state));
    for (const [key, sample] of this.#references) states.set(referenceKey(name, key), JSON.stringify(sample));
    return states;
  }

  /** What has changed since this was asked last, to be committed. */
  takeChanges(into: { fold: string; json: string | null }[]): void {
    const name = this.#keptAs;
    if (this.#ruleChanged || this.#teller.changed) into.push({ fold: name, json: JSON.stringify(this.#state) });
    this.#ruleChanged = false;
    this.#teller.changed = false;
    for (const key of this.#changed) {
      const reference = key.startsWith('=') ? this.#references.get(key.slice(1)) : undefined;
      const kept = reference ?? this.#subjects.get(key)?.state;
      const json = kept === undefined ? null : JSON.stringify(kept);
      this.#load.wrote(key, json);
      into.push({ fold: subjectKey(name, key), json });
    }
    this.#changed.clear();
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
      if (subject?.offer(sample, receivedAt)) this.#changed.add(subject.key);
      if (subject !== undefined) this.#offered.add(subject);
      if (isShared) this.#takeShared(sample, subject);
    }
    this.#proceed(receivedAt);
    this.#load.evaluations += count;
    if (count > 0) this.#teller.settle(receivedAt);
    return count;
  }

  /** What falls due. @param now up to when all that arrived was taken in, ms */
  tick(now: number, out: RuleOutput): void {
    if (this.#isStarting) this.#settleFrom(now);
    if (now < this.#due) return;
    this.#teller.into(out);
    if (this.#away === undefined) this.#tickSubjects(now);
    else this.#tellAway(this.#away);
    this.#teller.settle(now);
  }

  /** The device came or went; while it is away nothing falls due. */
  presence(online: boolean, now: number): void {
    if (online === (this.#away === undefined)) return;
    this.#ruleChanged = true;
    if (!online) {
      this.#away = { since: now };
      for (const [key, subject] of this.#subjects) if (subject.leave()) this.#changed.add(key);
      this.#due = now + UNKNOWN_MS;
      return;
    }
    const awayMs = Math.max(0, now - this.#away!.since);
    this.#away = undefined;
    for (const [key, subject] of this.#subjects) if (subject.return(awayMs)) this.#changed.add(key);
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
      this.#changed.add(subject.key);
      this.#arm(subject);
    }
    this.#teller.settle(now, 'manual');
    return true;
  }

  moveTime(move: TimeMove): void {
    for (const [key, subject] of this.#subjects) {
      subject.moveTime(move);
      this.#changed.add(key);
    }
    this.#teller.moveTime(move);
    if (this.#away !== undefined) this.#away.since = movedPast(this.#away.since, move);
    this.#ruleChanged = true;
    if (this.#settle.until > 0)
      this.#settle = { from: this.#settle.from + move.shift, until: this.#settle.until + move.shift };
    this.#due = Number.NEGATIVE_INFINITY;
  }

  /** Ends every episode that the rule, as it is now, no longer watches. */
  endUnwatched(out: RuleOutput, all = false): void {
    this.#teller.into(out);
    let latest = 0;
    for (const subject of this.#subjects.values()) {
      if (!all && this.#watches(subject.of)) continue;
      latest = Math.max(latest, subject.newest);
      subject.end('removed', subject.newest);
      this.#drop(subject);
    }
    if (all) {
      for (const key of this.#references.keys()) this.#changed.add(`=${key}`);
      this.#references.clear();
    }
    this.#teller.settle(latest, 'removed');
  }

  get #state(): RuleState {
    const state: RuleState = this.#teller.state;
    return this.#away === undefined ? state : { ...state, away: this.#away };
  }

  /** What was measured at one moment and came at once is judged at once: a value beside a level of before would be neither. */
  #proceed(receivedAt: number): void {
    for (const subject of this.#offered) {
      subject.proceed(receivedAt);
      this.#arm(subject);
    }
    this.#offered.clear();
  }

  #arm(subject: SubjectFold): void {
    if (this.#away !== undefined || this.#due === Number.NEGATIVE_INFINITY) return;
    this.#dues.set(subject, this.#settle);
    this.#due = this.#dues.next;
  }

  #tickSubjects(now: number): void {
    if (this.#due === Number.NEGATIVE_INFINITY) this.#dues.renew(this.#subjects.values(), this.#settle);
    for (const subject of this.#dues.take(now, this.#settle)) {
      subject.tick(now, this.#settle);
      this.#changed.add(subject.key);
      this.#dues.set(subject, this.#settle);
    }
    this.#due = this.#dues.next;
  }

  /** Once, when it has been away for longer than a line that flaps is. */
  #tellAway(away: NonNullable<RuleState['away']>): void {
    this.#due = Number.POSITIVE_INFINITY;
    if (away.told) return;
    for (const [key, subject] of this.#subjects) {
      if (!subject.isFiring) continue;
      subject.tellAway(away.since + UNKNOWN_MS);
      this.#changed.add(key);
    }
    this.#away = { since: away.since, told: true };
    this.#ruleChanged = true;
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
    this.#noteReference(sample);
    for (const subject of this.#subjects.values()) {
      if (subject === own || !subject.takes(sample)) continue;
      subject.offerShared(sample);
      this.#changed.add(subject.key);
      this.#offered.add(subject);
    }
  }

  /** For subjects that are yet to come. */
  #noteReference(sample: Sample): void {
    const series = seriesKey(sample);
    const last = this.#references.get(series);
    if (last !== undefined && sample.ts < last.ts) return;
    if (last === undefined && this.#references.size >= REFERENCES_MAX) return;
    this.#references.set(series, sample);
    this.#changed.add(`=${series}`);
  }

  #put(subject: SubjectFold): void {
    subject.place = this.#placed++;
    this.#subjects.set(subject.key, subject);
  }

  #drop(subject: SubjectFold): void {
    this.#subjects.delete(subject.key);
    this.#dues.delete(subject);
    this.#takers.clear();
    this.#changed.add(subject.key);
  }

  #subjectFor(series: SeriesName, out: RuleOutput): SubjectFold | undefined {
    const { key, of } = subjectOf(this.plan.by, this.#device, series);
    const known = this.#subjects.get(key);
    if (known !== undefined) return known;
    if (this.#subjects.size >= SUBJECTS_MAX && !this.#makeRoom(out)) return undefined;
    return this.#add(key, of);
  }

  #add(key: string, of: SubjectFold['of']): SubjectFold {
    const subject = new SubjectFold(key, of, this.#rule, this.#teller);
    for (const sample of this.#references.values()) {
      if (!subject.takes(sample)) continue;
      // With lateness it may be newer than what the subject begins with.
      if (this.plan.latenessMs > 0) subject.offerShared(sample);
      else subject.prime(sample);
    }
    this.#put(subject);
    return subject;
  }

  /** Silence of what is named in full is told though it was never heard of. */
  #addNamed(): void {
    const { sensor, metric } = this.plan.watches;
    const { by } = this.plan;
    if (this.#silenceMs === undefined) return;
    if ((by === 'series' && `${sensor}${metric}`.includes('*')) || (by === 'sensor' && sensor.includes('*'))) return;
    const { key, of } = subjectOf(by, this.#device, { device: this.#device, sensor, metric });
    if (!this.#subjects.has(key)) this.#add(key, of);
  }

  #makeRoom({ logs }: RuleOutput): boolean {
    const { going, text, ts } = giveWay(this.#subjects);
    for (const subject of going) this.#drop(subject);
    if (this.#saysFull) logs.push({ fold: this.plan.name, level: 'warn', text, ts });
    this.#saysFull = false;
    return going.length > 0;
  }

  #watches(of: SubjectFold['of']): boolean {
    const { by } = this.plan;
    if (!isOfKind(by, of)) return false;
    if (of.sensor === undefined) return true;
    const { sensor } = of;
    if (of.metric === undefined) return globMatches(this.plan.watches.sensor, sensor);
    return this.#takers.routes.of({ device: of.device!, sensor, metric: of.metric }).isOwn;
  }
}
