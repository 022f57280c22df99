/**
 * What is kept of a rule, by key, so that a step writes what it has changed:
 *
 *     <rule>                   what is not of one subject
 *     <rule>/<subject>         one subject; its name is `sensor/metric`, `sensor`, or `.` for a whole device or group, of
 *                              another device than the host's with that in front
 *     <rule>/=<series>         the last reading of a series that levels of several subjects come from
 */
import type { RulePlan, Value } from '@weir/protocols';
import type { Sample } from '../conditions/condition.ts';
import type { Subject } from '../conditions/signals.ts';
import type { SummaryState } from './overflow.ts';
import type { SubjectState } from './subject.ts';

export interface RuleState {
  /** Episodes opened so far. */
  opened: number;
  /** Of the cloud: since when the device is away, by the clock, and whether that was told of what fires. */
  away?: { since: number; told?: true };
  summary?: SummaryState;
}

/** As rules were kept before they had subjects: one machine for each series, all in one state. */
interface RuleStateV1 extends RuleState {
  watched: { [series: string]: WatchedV1 };
  quiet?: [series: string, ts: number][];
}

interface WatchedV1 {
  phase: 'pending' | 'firing';
  episode: string;
  seq: number;
  startedAt: number;
  peak?: number;
  sensor: string;
  metric: string;
  unit?: string;
  lastTs: number;
  lastValue: number;
  lagMs: number;
}

export interface Kept {
  state: RuleState;
  subjects: Map<string, SubjectState>;
  references: Map<string, Sample>;
  /** It was kept in the form of before: all of it is to be written. */
  isOld: boolean;
}

const REFERENCE = '=';

export function subjectKey(rule: string, subject: string): string {
  return `${rule}/${subject}`;
}

export function referenceKey(rule: string, series: string): string {
  return `${rule}/${REFERENCE}${series}`;
}

/** @param states JSON by key, as committed last */
export function readKept(rule: string, device: string, states: ReadonlyMap<string, string>): Kept {
  const kept: Kept = { state: { opened: 0 }, subjects: new Map(), references: new Map(), isOld: false };
  const prefix = `${rule}/`;
  for (const [key, json] of states) {
    if (key === rule) readRule(JSON.parse(json), device, kept);
    else if (key.startsWith(`${prefix}${REFERENCE}`)) {
      kept.references.set(key.slice(prefix.length + 1), JSON.parse(json) as Sample);
    } else if (key.startsWith(prefix)) kept.subjects.set(key.slice(prefix.length), JSON.parse(json) as SubjectState);
  }
  return kept;
}

function readRule(state: RuleState | RuleStateV1, device: string, kept: Kept): void {
  if (!('watched' in state)) {
    kept.state = state;
    return;
  }
  kept.state = { opened: state.opened };
  kept.isOld = true;
  for (const [series, watched] of Object.entries(state.watched)) kept.subjects.set(series, ofV1(watched, device));
  for (const [series, ts] of state.quiet ?? []) {
    const [sensor, metric] = series.split('/') as [string, string];
    const order = { last: [['', ts] as [string, number]] };
    kept.subjects.set(series, {
      of: { device, sensor, metric },
      lagMs: 0,
      order,
      track: { clock: ts, conditions: [] },
    });
  }
}

function ofV1(watched: WatchedV1, device: string): SubjectState {
  const { phase, episode, seq, startedAt, peak, sensor, metric, unit, lastTs, lastValue, lagMs } = watched;
  const isFiring = phase === 'firing';
  const state: SubjectState = {
    of: { device, sensor, metric },
    lagMs,
    order: { last: [['', lastTs, lastValue]] },
    track: {
      clock: lastTs,
      conditions: [],
      machine: {
        phase,
        rungs: [{ since: startedAt, ...(isFiring && { in: true as const }) }],
        at: 0,
        startedAt,
        ...(isFiring && { firedAt: startedAt, recurredAt: lastTs }),
      },
      // How bad that is, its conditions tell.
      ...(peak !== undefined && { worst: [peak, Number.NEGATIVE_INFINITY] as [number, number] }),
    },
    open: { episode, seq, startedAt, toldAt: startedAt, rung: 0, ...(isFiring && { fired: true as const }) },
  };
  if (unit !== undefined) state.unit = unit;
  return state;
}

/** The last reading of what was kept in the form of before, which conditions are to know. */
export function lastOf(state: SubjectState): Sample | undefined {
  const [last] = state.order.last;
  const { device, sensor, metric } = state.of;
  if (last?.[2] === undefined || device === undefined || sensor === undefined || metric === undefined) return undefined;
  return { device, sensor, metric, ts: last[1], value: last[2] as Value, ...(state.unit && { unit: state.unit }) };
}

/** Whose subject a series is a part of, and its key. */
export function subjectOf(
  by: RulePlan['by'],
  host: string,
  { device, sensor, metric }: Pick<Sample, 'device' | 'sensor' | 'metric'>,
): { key: string; of: Subject } {
  if (by === 'group') return { key: '.', of: {} };
  const front = device === host ? '' : `${device}/`;
  if (by === 'device') return { key: `${front}.`, of: { device } };
  if (by === 'sensor') return { key: `${front}${sensor}`, of: { device, sensor } };
  return { key: `${front}${sensor}/${metric}`, of: { device, sensor, metric } };
}

/** Whether it is of the kind that has episodes by this rule. */
export function isOfKind(by: RulePlan['by'], { device, sensor, metric }: Subject): boolean {
  const given = [device, sensor, metric].filter((part) => part !== undefined).length;
  return given === { group: 0, device: 1, sensor: 2, series: 3 }[by];
}
