/** What the episodes of a time come to: how many, how long, how much of it is noise. Times are ms. */
import { seriesOf } from '../episode-span.ts';
import type { TalliedEpisode, Tally } from './tally.ts';

export interface TallySummary {
  episodes: number;
  episodesPerDay: number;
  messages: number;
  messagesPerDay: number;
  /** Of each day from the begin on, episodes that began. */
  perDay: number[];
  /** Over all series, and what part that is of one series' time. */
  inAlertMs: number;
  /** Series that had an episode. */
  series: { name: string; episodes: number; inAlertMs: number }[];
  durationMs?: { p50: number; p95: number; max: number };
  /** Over within a minute of their firing. */
  short: number;
  /** Began within ten minutes of the end of the one before, of the same series. */
  again: number;
  open: number;
  unfired: number;
  bySeverity: Record<string, number>;
}

const DAY_MS = 86_400_000;
const SHORT_MS = 60_000;
const AGAIN_MS = 600_000;

export function summaryOf(tally: Tally, from: number, to: number): TallySummary {
  const { episodes, count, messages, open, unfired } = tally;
  const days = Math.max((to - from) / DAY_MS, 1e-9);
  const perDay = Array.from({ length: Math.max(1, Math.ceil(days)) }, () => 0);
  const bySeverity: Record<string, number> = {};
  for (const episode of episodes) {
    const day = Math.min(perDay.length - 1, Math.max(0, Math.floor((episode.startedAt - from) / DAY_MS)));
    perDay[day]!++;
    const worst = worstOf(episode);
    bySeverity[worst] = (bySeverity[worst] ?? 0) + 1;
  }
  const lasted = episodes.map((episode) => durationOf(episode, from, to)).sort((a, b) => a - b);
  const at = (part: number) => lasted[Math.max(0, Math.ceil(part * lasted.length) - 1)]!;
  const summary: TallySummary = {
    episodes: count,
    episodesPerDay: count / days,
    messages,
    messagesPerDay: messages / days,
    perDay,
    inAlertMs: lasted.reduce((sum, ms) => sum + ms, 0),
    series: [...Map.groupBy(episodes, seriesOf)]
      .map(([name, of]) => ({
        name,
        episodes: of.length,
        inAlertMs: of.reduce((sum, each) => sum + durationOf(each, from, to), 0),
      }))
      .sort((a, b) => b.episodes - a.episodes || b.inAlertMs - a.inAlertMs),
    short: episodes.filter(({ firedAt, resolvedAt }) => resolvedAt !== undefined && resolvedAt - firedAt! < SHORT_MS)
      .length,
    again: againIn(episodes),
    open,
    unfired,
    bySeverity,
  };
  if (lasted.length > 0) summary.durationMs = { p50: at(0.5), p95: at(0.95), max: lasted.at(-1)! };
  return summary;
}

/** For how long it was told as firing, within the time. */
export function durationOf({ firedAt, resolvedAt }: TalliedEpisode, from: number, to: number): number {
  return Math.max(0, Math.min(resolvedAt ?? to, to) - Math.max(firedAt!, from));
}

export function worstOf({ severities }: Pick<TalliedEpisode, 'severities'>): 'info' | 'warning' | 'critical' {
  if (severities.includes('critical')) return 'critical';
  return severities.includes('warning') ? 'warning' : 'info';
}

function againIn(episodes: readonly TalliedEpisode[]): number {
  let again = 0;
  for (const of of Map.groupBy(episodes, seriesOf).values()) {
    for (let i = 1; i < of.length; i++) {
      const before = of[i - 1]!.resolvedAt;
      if (before !== undefined && of[i]!.firedAt! - before < AGAIN_MS) again++;
    }
  }
  return again;
}

export interface Compared {
  /** Told by both at the same time, of the same series. */
  both: { old: TalliedEpisode[]; new: TalliedEpisode[] };
  onlyOld: TalliedEpisode[];
  onlyNew: TalliedEpisode[];
}

/** @param to when those end that are open */
export function compareTallies(before: Tally, after: Tally, to: number): Compared {
  const [old, fresh] = [marked(before.episodes, after.episodes, to), marked(after.episodes, before.episodes, to)];
  return {
    both: { old: old.met, new: fresh.met },
    onlyOld: old.alone,
    onlyNew: fresh.alone,
  };
}

/** Which of the episodes overlap with one of the others. */
function marked(
  episodes: readonly TalliedEpisode[],
  others: readonly TalliedEpisode[],
  to: number,
): { met: TalliedEpisode[]; alone: TalliedEpisode[] } {
  const bySeries = Map.groupBy(others, seriesOf);
  const [met, alone]: [TalliedEpisode[], TalliedEpisode[]] = [[], []];
  for (const [name, of] of Map.groupBy(episodes, seriesOf)) {
    const candidates = bySeries.get(name) ?? [];
    let at = 0;
    for (const each of of) {
      const end = each.resolvedAt ?? to;
      // Both are in order of their begin, and episodes of one series do not overlap.
      while (at < candidates.length && (candidates[at]!.resolvedAt ?? to) < each.startedAt) at++;
      (at < candidates.length && candidates[at]!.startedAt <= end ? met : alone).push(each);
    }
  }
  const byBegin = (a: TalliedEpisode, b: TalliedEpisode) => a.startedAt - b.startedAt;
  return { met: met.sort(byBegin), alone: alone.sort(byBegin) };
}
