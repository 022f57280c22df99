import { createHash } from 'node:crypto';
import type { AlertReason, AlertState, AlertTransition, Severity, Value } from '@weir/protocols';

/** An alert that has fired and not ended; part of a fold's state. */
export interface OpenEpisode {
  episode: string;
  /** Number of the last transition. */
  seq: number;
  severity: Severity;
  startedAt: number;
  sensor?: string;
  metric?: string;
  peak?: number;
}

export interface EpisodeSource {
  kind: 'rule' | 'function';
  name: string;
  version: string;
}

/**
 * Derives from the input alone, so that a step that is run again makes the same episode.
 *
 * @param ordinal how many episodes this fold has opened on this device before
 */
export function episodeId(device: string, fold: string, subject: string, startedAt: number, ordinal: number): string {
  const text = [device, fold, subject, startedAt, ordinal].join('\n');
  return createHash('sha256').update(text).digest('hex').slice(0, 20);
}

export interface TransitionDetail {
  state: AlertState;
  reason: AlertReason;
  ts: number;
  summary: string;
  value?: Value | undefined;
}

/** The next transition of an episode; moves its number on. */
export function nextTransition(
  open: OpenEpisode,
  device: string,
  source: EpisodeSource,
  { state, reason, ts, summary, value }: TransitionDetail,
): AlertTransition {
  open.seq += 1;
  const transition: AlertTransition = {
    episode: open.episode,
    seq: open.seq,
    state,
    reason,
    severity: open.severity,
    source: { kind: source.kind, name: source.name, version: source.version },
    device,
    ts: Math.max(ts, open.startedAt),
    startedAt: open.startedAt,
    summary,
  };
  if (open.sensor !== undefined) transition.sensor = open.sensor;
  if (open.metric !== undefined) transition.metric = open.metric;
  if (open.peak !== undefined) transition.peak = open.peak;
  if (value !== undefined) transition.value = value;
  return transition;
}
