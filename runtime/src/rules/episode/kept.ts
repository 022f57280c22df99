/**
 * What is kept of a rule, by key, so that a step writes what it has changed:
 *
 *     <rule>                   what is not of one subject
 *     <rule>/<subject>         one subject; its name is `sensor/metric`, `sensor`, or `.` for a whole device or group, of
 *                              another device than the host's with that in front
 *     <rule>/=<series>         the last reading of a series that levels of several subjects come from,
 *                              and with lateness those before it that a late first reading of a subject is judged by
 *     <rule>/~<device>         of a rule over a group: what is known of one of its devices
 *     <rule>/+gaps             of a rule over a group: what of the past is not known yet
 */
import type { RulePlan, Value } from '@weir/protocols';
import type { AwayDevice } from '../away-devices.ts';
import type { Sample } from '../conditions/condition.ts';
import type { Subject } from '../conditions/signals.ts';
import type { Reference } from '../references.ts';
import type { GapState } from './gap.ts';
import { joinedShares, type ShareState } from './members.ts';
import type { SummaryState } from './overflow.ts';
import type { SubjectFold } from './subject.ts';
import type { SubjectState } from './subject-state.ts';

export interface RuleState {
  /** Episodes opened so far. */
  opened: number;
  /** Of the cloud: since when the device is away, by the clock, and whether that was told of what fires. */
  away?: { since: number; told?: true };
  /** Of a group: its devices that are away. */
  devices?: AwayDevice[];
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
  references: Map<string, Reference>;
  /** It was kept in the form of before: all of it is to be written. */
  isOld: boolean;
  /** A group that was kept by its devices; else all of it is to be written. */
  isInParts: boolean;
}

export interface Written {
  fold: string;
  json: string | null;
}

const REFERENCE = '=';
const SHARE = '~';
const GAPS = '+gaps';
/** Of a device, or a group. */
export const WHOLE = '.';

export function subjectKey(rule: string, subject: string): string {
  return `${rule}/${subject}`;
}

export function referenceKey(rule: string, series: string): string {
  return `${rule}/${REFERENCE}${series}`;
}

/** @param states JSON by key, as committed last */
export function readKept(rule: string, device: string, states: ReadonlyMap<string, string>): Kept {
  const kept: Kept = {
    state: { opened: 0 },
    subjects: new Map(),
    references: new Map(),
    isOld: false,
    isInParts: false,
  };
  const prefix = `${rule}/`;
  const shares = new Map<string, ShareState>();
  let gaps: GapState[] | undefined;
  for (const [key, json] of states) {
    if (key === rule) readRule(JSON.parse(json), device, kept);
    else if (key.startsWith(`${prefix}${REFERENCE}`)) {
      kept.references.set(key.slice(prefix.length + 1), JSON.parse(json) as Reference);
    } else if (key.startsWith(`${prefix}${SHARE}`)) {
      shares.set(key.slice(prefix.length + 1), JSON.parse(json) as ShareState);
    } else if (key === `${prefix}${GAPS}`) gaps = JSON.parse(json) as GapState[];
    else if (key.startsWith(prefix)) kept.subjects.set(key.slice(prefix.length), JSON.parse(json) as SubjectState);
  }
  const core = kept.subjects.get(WHOLE);
  kept.isInParts = shares.size > 0;
  if (core !== undefined && shares.size > 0) kept.subjects.set(WHOLE, joinedShares(core, shares, gaps));
  return kept;
}

/** What is to be written of a subject, by its keys within the rule. */
export function writeSubject(subject: SubjectFold, write: (key: string, json: string | null) => void): void {
  write(subject.key, JSON.stringify(subject.core));
  if (subject.members === undefined) return;
  const { shares, gaps } = subject.takeParts();
  for (const [device, share] of shares) {
    write(`${SHARE}${device}`, share && JSON.stringify(share));
  }
  if (gaps !== undefined) write(GAPS, gaps && JSON.stringify(gaps));
}

/** All that was ever written of a subject, to be forgotten. */
export function keysOf({ key, members }: SubjectFold): string[] {
  return members === undefined ? [key] : [key, ...members.devices.map((device) => `${SHARE}${device}`), GAPS];
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
