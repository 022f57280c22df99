/**
 * An episode as a pure fold over its transitions, which may come twice, late, or in another order, and over what operators did with
 * it (`operator.ts`).
 *
 * - Each (episode, seq) counts once.
 * - The state is that of the highest seq; once an end is known, no late transition opens it again.
 * - One that latches stays firing after its end until it is acknowledged. One that somebody ended is over, whatever comes later.
 *
 * What is derived derives from the transitions that are kept and from what operators did, never from the order in which these came.
 */
import { type AlertReason, type AlertState, type AlertTransition, SEVERITIES, type Severity } from '@weir/protocols';
import type { Origin } from '../api/events.ts';
import { inSight, type Kept, keep } from './kept.ts';

/** What lists show. Times of transitions are event times, ms; what operators did and `updatedAt` have the hub's clock. */
export interface EpisodeSummary extends OperatorState {
  episode: string;
  device: string;
  /** At the version that spoke last. */
  source: AlertTransition['source'];
  sensor?: string;
  metric?: string;
  origin: Origin;
  state: AlertState;
  reason: AlertReason;
  severity: Severity;
  /** The greatest that it had. */
  severityMax: Severity;
  summary: string;
  description?: string;
  runbook?: string;
  labels?: Record<string, string>;
  /** When its condition became true, as far as is known by now. */
  startedAt: number;
  firedAt?: number;
  /** When its condition was over; of one that latches before it is resolved. */
  clearedAt?: number;
  resolvedAt?: number;
  value?: AlertTransition['value'];
  /** That was crossed last. */
  level?: number;
  /** Of `value`, `level` and `peak`. */
  unit?: string;
  /** The worst value, and when it was so. */
  peak?: number;
  peakAt?: number;
  /** How many it stands for. */
  count?: number;
  /** It was over before anybody looked. */
  historical?: boolean;
  /** Nobody is told. */
  dryRun?: boolean;
  /** Active until it is acknowledged. */
  latch?: boolean;
  /** A time of maintenance of its rule. */
  mutedUntil?: number;
  /** `clock`: its device did not know what time it was. */
  quality?: string;
  recordedAt: number;
  updatedAt: number;
}

/** What operators did with an episode; orthogonal to its state, but for an end by hand. */
export interface OperatorState {
  ackedAt?: number;
  ackedBy?: string;
  ackComment?: string;
  assignee?: string;
  /** Until then nobody is told. */
  shelvedUntil?: number;
  shelvedBy?: string;
  /** `seq` is the number under which its end is told, which no transition that was told has. */
  endedManually?: { at: number; by: string; seq: number; comment?: string };
  comments?: number;
}

/** Something an operator did. */
export interface OperatorEntry {
  /** Chosen by whoever asks: what is asked twice is done once. */
  id: string;
  at: number;
  /** Name of the API key. */
  by: string;
  what: OperatorAction;
  comment?: string;
  /** With `assign`; absent: to nobody. */
  assignee?: string;
  /** With `shelve`. */
  until?: number;
}

export const OPERATOR_ACTIONS = ['ack', 'unack', 'assign', 'comment', 'shelve', 'unshelve', 'end'] as const;
export type OperatorAction = (typeof OPERATOR_ACTIONS)[number];

export interface Episode extends EpisodeSummary, Kept {
  /** What operators did, in order; the latest. */
  log: OperatorEntry[];
  /** Ids of the channels that were told it fired, under which number last, and whether its end was told. */
  told?: { channels: string[]; seq: number; severity: Severity; end: boolean };
}

/** What an episode is made of; the rest derives from it. */
export type EpisodeFacts = Kept &
  OperatorState &
  Pick<Episode, 'origin' | 'recordedAt' | 'updatedAt' | 'severityMax' | 'log' | 'told'>;

/**
 * @returns the episode with the transition; undefined when it was recorded before, or belongs to another device's episode
 */
export function withTransition(
  before: Episode | undefined,
  transition: AlertTransition,
  origin: Origin,
  now: number,
): Episode | undefined {
  if (before !== undefined && !takes(before, transition)) return undefined;
  const facts: EpisodeFacts = {
    ...(before === undefined ? { origin, recordedAt: now, log: [] } : factsOf(before)),
    ...keep(before, transition),
    severityMax: greaterSeverity(before?.severityMax, transition.severity),
    updatedAt: now,
  };
  return episodeOf(facts);
}

export function factsOf(episode: Episode): EpisodeFacts {
  const { transitions, seen, trimmedTo, origin, recordedAt, updatedAt, severityMax, log, told } = episode;
  return {
    ...{ transitions, seen, origin, recordedAt, updatedAt, severityMax, log },
    ...defined({ trimmedTo, told }),
    ...operatorState(episode),
  };
}

function operatorState(episode: OperatorState): OperatorState {
  const { ackedAt, ackedBy, ackComment, assignee, shelvedUntil, shelvedBy, endedManually, comments } = episode;
  return defined({ ackedAt, ackedBy, ackComment, assignee, shelvedUntil, shelvedBy, endedManually, comments });
}

/** What it is by what is known of it. */
export function episodeOf(facts: EpisodeFacts): Episode {
  const { transitions } = facts;
  const latest = inSight(transitions);
  const { episode, device, source, sensor, metric, severity, summary, startedAt } = latest;
  const { description, runbook, labels, value, level, unit, mutedUntil, quality } = latest;
  const any = (flag: 'historical' | 'dryRun' | 'latch') => transitions.some((each) => each[flag]) || undefined;
  return {
    ...facts,
    ...{ episode, device, source, severity, summary, startedAt },
    ...standing(latest, { ...facts, latch: any('latch') }),
    ...defined({
      ...{ sensor, metric, description, runbook, labels, value, level, unit, mutedUntil, quality },
      firedAt: transitions.find(({ state }) => state === 'firing')?.ts,
      ...peakOf(transitions),
      count: transitions.findLast(({ count }) => count !== undefined)?.count,
      historical: any('historical') ?? wasOver(latest, facts.recordedAt),
      ...{ dryRun: any('dryRun'), latch: any('latch') },
    }),
  };
}

type Standing = Pick<EpisodeSummary, 'state' | 'reason' | 'clearedAt' | 'resolvedAt'>;

function standing(
  latest: AlertTransition,
  { endedManually, ackedAt, latch }: OperatorState & { latch: boolean | undefined },
): Standing {
  const { state, reason, ts } = latest;
  const over = state === 'resolved' ? { clearedAt: ts } : {};
  if (endedManually !== undefined) {
    return { ...over, state: 'resolved', reason: 'manual', resolvedAt: endedManually.at };
  }
  if (state !== 'resolved') return { state, reason };
  if (!latch) return { ...over, state, reason, resolvedAt: ts };
  if (ackedAt === undefined) return { ...over, state: 'firing', reason };
  // Acknowledged while its condition still held: it ends as any other does.
  return ackedAt < ts
    ? { ...over, state, reason, resolvedAt: ts }
    : { ...over, state, reason: 'acknowledged', resolvedAt: ackedAt };
}

/**
 * It was over for so long when the hub heard of it that it is for the record: the line was away, or its readings came late. What is
 * shorter may be what clocks differ by, or that both came in one message.
 */
function wasOver({ state, ts, quality }: AlertTransition, recordedAt: number): true | undefined {
  const isOver = state === 'resolved' && quality !== 'clock' && ts <= recordedAt - OVER_FOR_MS;
  return isOver || undefined;
}

/** As long as notifications of what is late wait for its end by default. @see ../notify/plan/policy.ts */
const OVER_FOR_MS = 30_000;

/** The peak is the fold's, as it had it last; it was reached when a transition told of it first. */
function peakOf(transitions: readonly AlertTransition[]): Pick<EpisodeSummary, 'peak' | 'peakAt'> {
  const peak = transitions.findLast((each) => each.peak !== undefined)?.peak;
  if (peak === undefined) return {};
  const first = transitions.find((each) => each.peak === peak)!;
  return { peak, peakAt: first.causes?.find(({ value }) => value === peak)?.ts ?? first.ts };
}

export function greaterSeverity(a: Severity | undefined, b: Severity): Severity {
  return a !== undefined && SEVERITIES.indexOf(a) > SEVERITIES.indexOf(b) ? a : b;
}

/** Whether the transition is new to the episode, and of its device. */
export function takes({ device, seen }: Pick<Episode, 'device' | 'seen'>, transition: AlertTransition): boolean {
  return device === transition.device && !hasSeen({ seen }, transition.seq);
}

export function hasSeen({ seen }: Pick<Episode, 'seen'>, seq: number): boolean {
  return seen.some(([from, to]) => seq >= from && seq <= to);
}

/** Only what is there. */
export function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

export function isActive({ state }: Pick<EpisodeSummary, 'state'>): boolean {
  return state !== 'pending' && state !== 'resolved';
}
