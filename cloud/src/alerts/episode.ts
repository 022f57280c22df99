/**
 * An episode as a pure fold over its transitions, which may come twice, late, or in another order.
 *
 * - Each (episode, seq) counts once.
 * - The state is that of the highest seq; once an end is known, no late transition opens it again.
 * - The channels that exist when it first fires are those it is told to, to its end. An end that comes before its
 *   firing is told after it; a firing that comes after the end was told is recorded and not told.
 */
import type { AlertState, AlertTransition } from '@weir/protocols';
import type { Origin } from '../api/events.ts';
import type { IntakeEntry } from '../notify/outbox.ts';

/** What lists show. Times of transitions are event times, ms; `updatedAt` is the hub's clock. */
export interface EpisodeSummary {
  episode: string;
  device: string;
  source: AlertTransition['source'];
  sensor?: string;
  metric?: string;
  origin: Origin;
  state: AlertState;
  reason: AlertTransition['reason'];
  severity: AlertTransition['severity'];
  summary: string;
  startedAt: number;
  firedAt?: number;
  resolvedAt?: number;
  value?: AlertTransition['value'];
  peak?: number;
  updatedAt: number;
}

export interface Episode extends EpisodeSummary {
  /** In order of seq; at most {@link TRANSITIONS_KEPT}: the first, the end and the latest are kept. */
  transitions: AlertTransition[];
  /** Recorded seqs as ranges, both ends included, ascending. */
  seen: [number, number][];
  /** Ids of the channels that were told it fired, and whether its end was told. */
  told?: { channels: string[]; end: boolean };
}

/** A fold that changes its severity with every reading must not make an item too large to store. */
const TRANSITIONS_KEPT = 50;
/** Holes in the seqs are rare; past this many the oldest is forgotten. */
const RANGES_MAX = 100;

export interface Applied {
  episode: Episode;
  tell: IntakeEntry[];
}

/**
 * @param channels ids of the channels that exist now
 * @returns undefined when the transition was recorded before, or belongs to another device's episode
 */
export function applyTransition(
  before: Episode | undefined,
  transition: AlertTransition,
  origin: Origin,
  channels: readonly string[],
  now: number,
): Applied | undefined {
  if (before !== undefined && !takes(before, transition)) return undefined;
  const transitions = [...(before?.transitions ?? []), transition].sort((a, b) => a.seq - b.seq);
  const episode = summarize(before, transitions, transition, origin, now);
  const tell = tellings(episode, transition, channels);
  while (transitions.length > TRANSITIONS_KEPT) {
    transitions.splice(
      transitions.findIndex(({ state }, at) => at > 0 && state !== 'resolved'),
      1,
    );
  }
  return { episode, tell };
}

function summarize(
  before: Episode | undefined,
  transitions: AlertTransition[],
  fresh: AlertTransition,
  origin: Origin,
  now: number,
): Episode {
  const latest = transitions.findLast(({ state }) => state === 'resolved') ?? transitions.at(-1)!;
  const { state, reason, severity, summary, value, peak, source, device, sensor, metric } = latest;
  const episode: Episode = {
    episode: latest.episode,
    device,
    source,
    origin: before?.origin ?? origin,
    state,
    reason,
    severity,
    summary,
    startedAt: before?.startedAt ?? latest.startedAt,
    updatedAt: now,
    transitions,
    seen: withSeen(before?.seen ?? [], fresh.seq),
  };
  if (sensor !== undefined) episode.sensor = sensor;
  if (metric !== undefined) episode.metric = metric;
  if (value !== undefined) episode.value = value;
  if (peak !== undefined) episode.peak = peak;
  const firedAt = transitions.find((each) => each.state === 'firing')?.ts ?? before?.firedAt;
  if (firedAt !== undefined) episode.firedAt = firedAt;
  if (state === 'resolved') episode.resolvedAt = latest.ts;
  if (before?.told !== undefined) episode.told = before.told;
  return episode;
}

function tellings(episode: Episode, fresh: AlertTransition, channels: readonly string[]): IntakeEntry[] {
  const { told, origin } = episode;
  if (fresh.state === 'pending' || told?.end) return [];
  if (fresh.state === 'firing') {
    const to = told?.channels ?? [...channels];
    const end = episode.transitions.find(({ state }) => state === 'resolved');
    episode.told = { channels: to, end: end !== undefined };
    const firing = { transition: fresh, origin, channels: to };
    return end === undefined ? [firing] : [firing, { transition: end, origin, channels: to }];
  }
  if (told === undefined) return [];
  episode.told = { channels: told.channels, end: true };
  return [{ transition: fresh, origin, channels: told.channels }];
}

/** Whether the transition is new to the episode, and of its device. */
export function takes({ device, seen }: Episode, transition: AlertTransition): boolean {
  return device === transition.device && !hasSeen({ seen }, transition.seq);
}

export function hasSeen({ seen }: Pick<Episode, 'seen'>, seq: number): boolean {
  return seen.some(([from, to]) => seq >= from && seq <= to);
}

function withSeen(seen: Episode['seen'], seq: number): Episode['seen'] {
  const merged: Episode['seen'] = [];
  for (const [from, to] of [...seen, [seq, seq] as [number, number]].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  if (merged.length > RANGES_MAX) merged.splice(0, 2, [merged[0]![0], merged[1]![1]]);
  return merged;
}
