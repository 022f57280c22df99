/**
 * A threshold rule as a fold, one small state machine for each series:
 *
 *            value beyond the level                 held for `for`
 *     quiet ------------------------> pending --------------------------> firing
 *       ^                               |  value no longer beyond            |
 *       |<------------------------------'                                    |
 *       |<--------------------- value past the clear level ------------------'
 *
 * With `for: 0` quiet goes straight to firing. Only firing and its end leave the device; a pending that comes to
 * nothing is nobody's business. A sample older than the last one of its series never changes anything.
 */
import type { AlertTransition, Columns, Rule, Severity } from '@weir/protocols';
import { episodeId, nextTransition, type OpenEpisode } from '../fold/episodes.ts';
import { movedPast, movedTimes, type TimeMove } from '../fold/move-time.ts';
import { plausibleTs } from '../fold/plausible.ts';
import { type Selector, SeriesFilter } from '../fold/select.ts';
import { badness, describeEnd, type FlatRule, fillSummary, isBeyond, isCleared } from './threshold.ts';

interface Watched extends OpenEpisode {
  phase: 'pending' | 'firing';
  sensor: string;
  metric: string;
  unit?: string;
  /** Event time and value of the last sample. */
  lastTs: number;
  lastValue: number;
  /** How far event time lay behind wall time at the last sample, ms. */
  lagMs: number;
}

export interface RuleState {
  /** Episodes opened so far. */
  opened: number;
  watched: { [series: string]: Watched };
  /** Latest event time of series that are quiet: a late sample must count as little after a restart as before. */
  quiet?: [series: string, ts: number][];
}

export class RuleFold {
  readonly rule: FlatRule & { sensor: string; metric: string; for: number; severity: Severity };
  readonly version: string;
  #device: string;
  #filter: SeriesFilter;
  #state: RuleState;
  #quietTs: Map<string, number>;
  changed = false;

  constructor(device: string, rule: Rule, version: string, state: RuleState | undefined) {
    this.#device = device;
    this.rule = rule as RuleFold['rule'];
    this.version = version;
    this.#filter = new SeriesFilter([{ sensor: this.rule.sensor, metric: this.rule.metric }]);
    this.#state = { opened: state?.opened ?? 0, watched: state?.watched ?? {} };
    this.#quietTs = new Map(state?.quiet);
  }

  get state(): RuleState {
    return { ...this.#state, quiet: [...this.#quietTs] };
  }

  /** What it takes. */
  get selectors(): Selector[] {
    return [{ sensor: this.rule.sensor, metric: this.rule.metric }];
  }

  /** Wall time at which {@link tick} will have something to do; undefined: not before there are more readings. */
  get dueAt(): number | undefined {
    let due: number | undefined;
    for (const { phase, startedAt, lagMs } of Object.values(this.#state.watched)) {
      const at = startedAt + this.rule.for + lagMs;
      if (phase === 'pending' && (due === undefined || at < due)) due = at;
    }
    return due;
  }

  /**
   * @param places of the readings that it takes; default: it finds them
   * @returns readings looked at
   */
  step(columns: Columns, receivedAt: number, alerts: AlertTransition[], places?: readonly number[]): number {
    if (places !== undefined) return this.#stepAt(columns, receivedAt, alerts, places);
    const flags = this.#filter.flags(columns.series);
    if (!flags.some(Boolean)) return 0;
    let count = 0;
    for (let i = 0; i < columns.index.length; i++) {
      const at = columns.index[i]!;
      const series = columns.series[at]!;
      if (!flags[at] || series.kind === 'string') continue;
      count++;
      this.#sample(series, plausibleTs(columns.ts[i]!, receivedAt), columns.values[i]!, receivedAt, alerts);
    }
    return count;
  }

  #stepAt(columns: Columns, receivedAt: number, alerts: AlertTransition[], places: readonly number[]): number {
    let count = 0;
    for (const i of places) {
      const series = columns.series[columns.index[i]!]!;
      if (series.kind === 'string') continue;
      count++;
      this.#sample(series, plausibleTs(columns.ts[i]!, receivedAt), columns.values[i]!, receivedAt, alerts);
    }
    return count;
  }

  /** Fires what has been pending for long enough though no new sample came. @param now wall time, ms */
  tick(now: number, alerts: AlertTransition[]): void {
    for (const watched of Object.values(this.#state.watched)) {
      const due = watched.startedAt + this.rule.for;
      if (watched.phase === 'pending' && now - watched.lagMs >= due) this.#fire(watched, due, 'held', alerts);
    }
  }

  moveTime(move: TimeMove): void {
    for (const watched of Object.values(this.#state.watched)) {
      watched.startedAt = movedPast(watched.startedAt, move);
      watched.lastTs = movedPast(watched.lastTs, move);
    }
    this.#quietTs = movedTimes(this.#quietTs, move);
    this.changed = true;
  }

  /**
   * A person ended this episode: what is beyond the level then begins another. @param now wall time, ms
   * @returns whether it was open here
   */
  endByHand(episode: string, now: number, alerts: AlertTransition[]): boolean {
    const found = Object.entries(this.#state.watched).find(([, each]) => each.episode === episode);
    if (found === undefined || found[1].phase !== 'firing') return false;
    const [key, watched] = found;
    const ts = Math.max(watched.lastTs, now - watched.lagMs);
    this.#transition(watched, 'resolved', 'manual', ts, alerts);
    this.#end(key, watched.lastTs);
    this.changed = true;
    return true;
  }

  /** Ends every episode that the rule, as it is now, no longer watches. */
  endUnwatched(alerts: AlertTransition[], all = false): void {
    for (const [key, watched] of Object.entries(this.#state.watched)) {
      if (!all && this.#filter.takes(watched)) continue;
      if (watched.phase === 'firing') this.#transition(watched, 'resolved', 'removed', watched.lastTs, alerts);
      delete this.#state.watched[key];
      this.changed = true;
    }
  }

  #sample(
    series: { sensor: string; metric: string; unit?: string },
    ts: number,
    value: number,
    receivedAt: number,
    alerts: AlertTransition[],
  ): void {
    const key = `${series.sensor}/${series.metric}`;
    const watched = this.#state.watched[key];
    if (watched === undefined) {
      if (ts < (this.#quietTs.get(key) ?? 0)) return;
      if (isBeyond(this.rule, value)) this.#begin(key, series, ts, value, receivedAt, alerts);
      else this.#rememberQuiet(key, ts);
      return;
    }
    if (ts < watched.lastTs) return;
    this.changed = true;
    // A value holds until the next sample: live, the tick fires at this moment; a replay must fire at it too.
    const due = watched.startedAt + this.rule.for;
    if (watched.phase === 'pending' && ts >= due) this.#fire(watched, due, 'held', alerts);
    watched.lastTs = ts;
    watched.lastValue = value;
    watched.lagMs = Math.max(0, receivedAt - ts);
    if (badness(this.rule, value) > badness(this.rule, watched.peak!)) watched.peak = value;
    if (watched.phase === 'pending') {
      if (!isBeyond(this.rule, value)) this.#end(key, ts);
    } else if (isCleared(this.rule, value)) {
      this.#transition(watched, 'resolved', 'cleared', ts, alerts);
      this.#end(key, ts);
    }
  }

  #begin(
    key: string,
    { sensor, metric, unit }: { sensor: string; metric: string; unit?: string },
    ts: number,
    value: number,
    receivedAt: number,
    alerts: AlertTransition[],
  ): void {
    this.changed = true;
    this.#quietTs.delete(key);
    const watched: Watched = {
      phase: 'pending',
      episode: episodeId(this.#device, this.rule.name, key, ts, this.#state.opened++),
      seq: 0,
      severity: this.rule.severity,
      startedAt: ts,
      peak: value,
      sensor,
      metric,
      lastTs: ts,
      lastValue: value,
      lagMs: Math.max(0, receivedAt - ts),
    };
    if (unit !== undefined) watched.unit = unit;
    this.#state.watched[key] = watched;
    if (this.rule.for === 0) this.#fire(watched, ts, 'threshold', alerts);
  }

  #fire(watched: Watched, ts: number, reason: 'threshold' | 'held', alerts: AlertTransition[]): void {
    watched.phase = 'firing';
    this.changed = true;
    this.#transition(watched, 'firing', reason, ts, alerts);
  }

  #end(key: string, ts: number): void {
    delete this.#state.watched[key];
    this.#rememberQuiet(key, ts);
  }

  #transition(
    watched: Watched,
    state: 'firing' | 'resolved',
    reason: 'threshold' | 'held' | 'cleared' | 'removed' | 'manual',
    ts: number,
    alerts: AlertTransition[],
  ): void {
    const { sensor, metric, unit, lastValue } = watched;
    const facts = { device: this.#device, sensor, metric, unit, value: lastValue };
    const summary = state === 'firing' ? fillSummary(this.rule, facts) : describeEnd(this.rule, facts, reason);
    const source = { kind: 'rule', name: this.rule.name, version: this.version } as const;
    alerts.push(nextTransition(watched, this.#device, source, { state, reason, ts, summary, value: lastValue }));
  }

  #rememberQuiet(key: string, ts: number): void {
    if (ts <= (this.#quietTs.get(key) ?? -1)) return;
    if (this.#quietTs.size >= QUIET_MAX) this.#quietTs.clear();
    this.#quietTs.set(key, ts);
    this.changed = true;
  }
}

/**
 * Series whose last event time is remembered while quiet; forgetting one only lets a late sample count. About 40 bytes
 * each, written with each step that has one of them.
 */
const QUIET_MAX = 1_000;
