import type { EpisodeSummary } from './episode.ts';

export interface Durations {
  /** From when its condition was true until it fired. */
  pendingMs?: number;
  /** From when it fired until it was over; of one that is active until now. */
  activeMs?: number;
  /** From when the hub heard of it until somebody acknowledged it. */
  toAckMs?: number;
}

/** How long an episode took, by the clock of its device where that is what tells; never less than nothing. */
export function durationsOf(summary: EpisodeSummary, now: number): Durations {
  const { startedAt, firedAt, resolvedAt, ackedAt, recordedAt } = summary;
  return {
    ...(firedAt !== undefined && {
      pendingMs: Math.max(0, firedAt - startedAt),
      activeMs: Math.max(0, (resolvedAt ?? now) - firedAt),
    }),
    ...(ackedAt !== undefined && { toAckMs: Math.max(0, ackedAt - recordedAt) }),
  };
}
