/** What a backtest came to, for people and for programs. */
import type { JsonObject } from '@weir/protocols';
import type { Backtest, Compared, TalliedEpisode, TallySummary } from '@weir/runtime';
import type { RuleSource } from './rule-source.ts';
import { clockTime, plain, table } from './table.ts';

export interface Judged {
  /** The last one is the one in question; one before it is what it is compared with. */
  rules: readonly RuleSource[];
  outcome: Backtest;
  from: number;
  to: number;
  devices: readonly string[];
}

export interface ReportOptions {
  limit: number;
  plots: number;
  width: number;
  colours: boolean;
}

export async function backtestJson({ rules, outcome, from, to, devices }: Judged): Promise<object> {
  const { compareTallies, summaryOfTally } = await import('@weir/runtime');
  const told = rules.map(({ identity, built }, i) => {
    const tally = outcome.tallies[i]!;
    const episodes = tally.episodes.map(({ lane: _, ...episode }) => episode);
    return { rule: identity, hash: built.hash, summary: summaryOfTally(tally, from, to), episodes };
  });
  const { readings, firstAt, lastAt, stoppedAt } = outcome;
  const about = { from, to, devices, readings, firstAt, lastAt, stoppedAt };
  if (told.length === 1) return { ...about, ...told[0] };
  const compared = compareTallies(outcome.tallies[0]!, outcome.tallies[1]!, to);
  const bare = (episodes: readonly TalliedEpisode[]) => episodes.map(({ lane: _, ...episode }) => episode);
  const { both, onlyOld, onlyNew } = compared;
  const comparison = {
    both: { old: bare(both.old), new: bare(both.new) },
    onlyOld: bare(onlyOld),
    onlyNew: bare(onlyNew),
  };
  return { ...about, ...told[1], comparedWith: told[0], comparison };
}

export async function backtestReport(judged: Judged, options: ReportOptions): Promise<string> {
  const { compareTallies, summaryOfTally } = await import('@weir/runtime');
  const { rules, outcome, from, to } = judged;
  const summaries = outcome.tallies.map((tally) => summaryOfTally(tally, from, to));
  const lines = [...heading(judged), ''];
  const last = summaries.length - 1;
  if (last === 0) lines.push(...summaryLines(summaries[0]!));
  else {
    const compared = compareTallies(outcome.tallies[0]!, outcome.tallies[1]!, to);
    lines.push(...comparison(rules, summaries, compared, judged, options));
  }
  lines.push(...(await plotLines(judged, summaries[last]!, options)));
  if (last === 0) lines.push(...episodeLines(outcome.tallies[0]!.episodes, to, options.limit));
  return `${lines.join('\n').trimEnd()}\n`;
}

function heading({ rules, outcome, from, to, devices }: Judged): string[] {
  const days = (to - from) / 86_400_000;
  const over = days >= 2 ? `${Math.round(days)} days` : spell(to - from);
  const whom = devices.length === 1 ? devices[0]! : `${devices.length} devices`;
  const names = rules.map(({ identity }) => identity);
  const lines = [
    `${names.at(-1)}${names.length > 1 ? ` compared with ${names[0]}` : ''}`,
    `over ${over} of ${whom}, ${clockTime(from)} to ${clockTime(outcome.stoppedAt ?? to)}`,
    readingsLine(outcome),
  ];
  const { firstAt } = outcome;
  if (firstAt !== undefined && firstAt - from > (to - from) / 20)
    lines.push(`the first of them is of ${clockTime(firstAt)}: there is no more`);
  return lines;
}

function readingsLine({ readings, bands }: Backtest): string {
  const count = `${readings.toLocaleString('en')} ${readings === 1 ? 'reading' : 'readings'}`;
  return bands.size > 0
    ? `${count} of ${bands.size} series`
    : `${count}, all of them texts: no level is compared with these`;
}

export function summaryLines(summary: TallySummary): string[] {
  const { episodes, messages, durationMs, bySeverity, perDay, open, short, again, unfired, inAlertMs } = summary;
  if (episodes === 0)
    return [`It would have told nothing${unfired > 0 ? `; ${unfired} times it would nearly have` : ''}.`, ''];
  const severities = Object.entries(bySeverity).map(([severity, count]) => `${count} ${severity}`);
  const lines = [
    `episodes    ${episodes}   ${perDayText(episodes, summary.episodesPerDay)}${severities.join(', ')}`,
    `messages    ${messages}   ${perDayText(messages, summary.messagesPerDay)}`.replace(/[; ]+$/, ''),
    `in alert    ${spell(inAlertMs)} in all${open > 0 ? `; ${open} open at the end` : ''}`,
  ];
  if (durationMs !== undefined) {
    lines.push(
      `lasting     ${spell(durationMs.p50)} (median), ${spell(durationMs.p95)} (p95), ${spell(durationMs.max)} at most`,
    );
  }
  const noise = [
    ...(short > 0 ? [`${short} over within a minute`] : []),
    ...(again > 0 ? [`${again} again within ten minutes of the one before`] : []),
    ...(unfired > 0 ? [`${unfired} over before they fired`] : []),
  ];
  for (const [i, each] of noise.entries()) lines.push(`${i === 0 ? 'noise' : '     '}       ${each}`);
  if (perDay.length > 2) lines.push(`by day      ${sparks(perDay)}  at most ${Math.max(...perDay)}`);
  return [...lines, ''];
}

function comparison(
  rules: readonly RuleSource[],
  summaries: readonly TallySummary[],
  { both, onlyOld, onlyNew }: Compared,
  { to }: Judged,
  { limit }: ReportOptions,
): string[] {
  const row = (name: string, of: (summary: TallySummary) => string) => [name, ...summaries.map(of)];
  const text = table(
    ['', ...rules.map(({ identity }, i) => `${i === 0 ? 'old' : 'new'} ${identity}`)],
    [
      row('episodes', ({ episodes }) => String(episodes)),
      row('a day', ({ episodesPerDay }) => rounded(episodesPerDay)),
      row('messages', ({ messages }) => String(messages)),
      row('in alert', ({ inAlertMs }) => spell(inAlertMs)),
      row('lasting', ({ durationMs }) => (durationMs === undefined ? '-' : spell(durationMs.p50))),
      row('within a minute', ({ short }) => String(short)),
    ],
    [1, 2],
  );
  const lines = [...text.trimEnd().split('\n'), ''];
  lines.push(
    `both tell of ${both.new.length}; only the old of ${onlyOld.length}, only the new of ${onlyNew.length}`,
    '',
  );
  if (onlyOld.length > 0) lines.push('only the old', ...episodeLines(onlyOld, to, limit));
  if (onlyNew.length > 0) lines.push('only the new', ...episodeLines(onlyNew, to, limit));
  return lines;
}

async function plotLines(
  { rules, outcome, from, to }: Judged,
  summary: TallySummary,
  { plots, colours }: ReportOptions,
): Promise<string[]> {
  const { drawChart, factsOf, levelsIn, seriesOf } = await import('@weir/runtime');
  const named = summary.series.map(({ name }) => name).filter((name) => outcome.bands.has(name));
  const names = [...new Set([...named, ...outcome.bands.keys()])].slice(0, plots);
  const levels = levelsIn(factsOf(rules.at(-1)!.built.bundle).plan, {} as JsonObject);
  const lines: string[] = [];
  for (const name of names) {
    const lanes = outcome.tallies.map(({ episodes }, i) => ({
      name: outcome.tallies.length === 1 ? 'alert' : i === 0 ? 'old' : 'new',
      episodes: episodes.filter((episode) => seriesOf(episode) === name).flatMap(({ lane }) => lane),
    }));
    const band = outcome.bands.get(name)!;
    lines.push(
      plain(name),
      ...drawChart({ band, levels, lanes, time: timeOf(from, to), origin: midnight(from), colours }),
      '',
    );
  }
  return lines;
}

/** @param to when those end that are open */
export function episodeLines(episodes: readonly TalliedEpisode[], to: number, limit: number): string[] {
  if (episodes.length === 0) return [];
  const isOne = episodes.every(({ device }) => device === episodes[0]!.device);
  const rows = episodes.slice(0, limit).map((episode) => {
    const { startedAt, firedAt, resolvedAt, severities, peak, device, sensor, metric, unit, historical, count } =
      episode;
    return [
      clockTime(startedAt).slice(0, -':00'.length),
      resolvedAt === undefined ? `${spell(to - firedAt!)}, open` : spell(resolvedAt - firedAt!),
      `${severityText(severities)}${historical ? ', historical' : ''}`,
      peak === undefined
        ? count === undefined
          ? '-'
          : `${count} at once`
        : `${shortNumber(peak)}${unit === undefined ? '' : ` ${unit}`}`,
      [isOne && sensor !== undefined ? undefined : device, sensor, metric]
        .filter((part) => part !== undefined)
        .join('/'),
    ];
  });
  const lines = table(['BEGAN', 'LASTED', 'SEVERITY', 'PEAK', 'SERIES'], rows).trimEnd().split('\n');
  const left = episodes.length - rows.length;
  if (left > 0) lines.push(`… and ${left} more: --limit ${episodes.length}`);
  return [...lines, ''];
}

/** The way up and down the ladder, where it is short enough to be read. */
function severityText(severities: TalliedEpisode['severities']): string {
  if (severities.length <= 3) return severities.join('→');
  const worst = (['critical', 'warning', 'info'] as const).find((severity) => severities.includes(severity))!;
  return `${worst}, ${severities.length - 1} changes`;
}

const SPARKS = '▁▂▃▄▅▆▇█';
/** Weeks where days do not fit. */
const SPARKS_MAX = 52;

function sparks(perDay: readonly number[]): string {
  const per = Math.ceil(perDay.length / SPARKS_MAX);
  const sums = Array.from({ length: Math.ceil(perDay.length / per) }, (_, at) =>
    perDay.slice(at * per, (at + 1) * per).reduce((a, b) => a + b, 0),
  );
  const most = Math.max(...sums, 1);
  return sums.map((sum) => (sum === 0 ? '·' : SPARKS[Math.ceil((sum / most) * SPARKS.length) - 1])).join('');
}

/** Days where the time is longer than some, else hours and minutes; in the zone of the terminal. */
export function timeOf(from: number, to: number): (ts: number) => string {
  const days = (to - from) / 86_400_000;
  return (ts) => {
    const text = clockTime(ts);
    if (days > 3) return text.slice(5, 10);
    return days > 1 ? text.slice(5, 16) : (to - from) / 1_000 < 600 ? text.slice(11) : text.slice(11, 16);
  };
}

/** Of the day, in the zone of the terminal: round moments are counted from there. */
export function midnight(ts: number): number {
  return new Date(ts).setHours(0, 0, 0, 0);
}

/** Of less than a day there is nothing to be said of days. */
function perDayText(count: number, perDay: number): string {
  if (perDay > count) return '';
  return perDay >= 0.1 ? `${rounded(perDay)} a day; ` : `one in ${Math.round(1 / perDay)} days; `;
}

function rounded(number: number): string {
  return String(Number(number.toPrecision(number >= 100 ? 3 : 2)));
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** `1 h 12 min` */
export function spell(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return ms < 1_000 ? `${ms} ms` : `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
