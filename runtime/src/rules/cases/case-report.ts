/** A table test that failed, for whoever has to find out why: a diff, and a picture of what came in and what came of it. */
import type { AlertTransition, Reading } from '@weir/protocols';
import { ChartBand, type ChartEpisode, chartColumns, drawChart } from '../chart.ts';
import { type EpisodeSpan, seriesOf } from '../episode-span.ts';
import type { RuleCase } from './case.ts';
import type { MismatchLine } from './mismatch.ts';
import { offsetText } from './offset-text.ts';
import type { CaseOutcome } from './run-case.ts';

export interface CaseReportOptions {
  /** As it is named in front of line numbers. */
  file: string;
  width: number;
  colours: boolean;
  levels: readonly number[];
}

/** Series of which there is a picture; more are seldom what the test is about. */
const PICTURES_MAX = 3;

/** Lines, without what ends them. */
export function caseReport(ruleCase: RuleCase, outcome: CaseOutcome, options: CaseReportOptions): string[] {
  const lines: string[] = [];
  for (const fault of outcome.faults.slice(0, 3)) lines.push(`  the condition failed: ${fault}`);
  for (const { of, lines: differing } of outcome.mismatches) {
    lines.push(`  ${of}: - expected  + came`);
    for (const line of differing) lines.push(`  ${diffLine(line, options.file)}`);
  }
  if (outcome.transitions.length === 0) lines.push('  nothing came at all');
  return [...lines, '', ...pictures(ruleCase, outcome, options)];
}

function diffLine({ mark, text, line, why }: MismatchLine, file: string): string {
  const place = line === undefined ? '' : `   ${file}:${line}`;
  return `${mark} ${text}${why === undefined ? '' : `   (it is: ${why})`}${mark === ' ' ? '' : place}`;
}

function pictures(ruleCase: RuleCase, outcome: CaseOutcome, { width, colours, levels }: CaseReportOptions): string[] {
  const { startAt, intervalMs } = ruleCase;
  const series = Map.groupBy(outcome.readings, seriesOf);
  const lines: string[] = [];
  const [from, to] = [startAt, startAt + Math.max(outcome.endMs, intervalMs)];
  for (const [name, readings] of [...series].slice(0, PICTURES_MAX)) {
    const band = new ChartBand(from, to, chartColumns(width), intervalMs);
    for (const { ts, value } of inOrder(readings)) band.add(ts, numberOf(value));
    const came = outcome.episodes.filter((span) => isOf(span, name)).flatMap(episodeLane);
    const lanes = [{ name: 'came', episodes: came }];
    if (ruleCase.episodes !== undefined || ruleCase.transitions !== undefined) {
      lanes.push({ name: 'expected', episodes: wantedLane(ruleCase) });
    }
    const isNumeric = readings.some(({ value }) => typeof value === 'number');
    const times = { origin: startAt, time: (ts: number) => offsetText(Math.round(ts - startAt)) };
    lines.push(`  ${name}`, ...drawChart({ band, levels: isNumeric ? levels : [], lanes, ...times, colours, rows: 6 }));
  }
  return lines;
}

/** An episode by the rungs it went through. */
export function episodeLane({ transitions }: EpisodeSpan): ChartEpisode[] {
  const told = transitions.filter(({ state }) => state !== 'pending');
  return told.flatMap(({ ts, state, severity }, i): ChartEpisode[] =>
    state === 'resolved' ? [] : [{ from: ts, to: told[i + 1]?.ts, severity }],
  );
}

function wantedLane({ startAt, episodes, transitions }: RuleCase): ChartEpisode[] {
  if (transitions === undefined) {
    return (episodes ?? []).map(({ fromMs, toMs, severity }) => ({
      from: startAt + fromMs,
      to: toMs === undefined ? undefined : startAt + toMs,
      severity: severity?.at(-1) ?? 'warning',
    }));
  }
  let severity: AlertTransition['severity'] = 'warning';
  return transitions.flatMap((each, i): ChartEpisode[] => {
    severity = each.severity ?? severity;
    if (each.state === 'resolved' || each.state === 'pending') return [];
    const next = transitions.slice(i + 1).find((later) => sameSeries(each, later));
    return [{ from: startAt + each.atMs, to: next === undefined ? undefined : startAt + next.atMs, severity }];
  });
}

function sameSeries(a: { sensor?: string; metric?: string }, b: { sensor?: string; metric?: string }): boolean {
  return (a.sensor ?? b.sensor) === (b.sensor ?? a.sensor) && (a.metric ?? b.metric) === (b.metric ?? a.metric);
}

function isOf({ device, sensor, metric }: EpisodeSpan, name: string): boolean {
  const [d, s, m] = name.split('/');
  const isGathered = device.includes('/');
  return (isGathered || d === device) && (sensor ?? s) === s && (metric ?? m) === m;
}

function inOrder(readings: readonly Reading[]): Reading[] {
  return [...readings].sort((a, b) => a.ts - b.ts);
}

function numberOf(value: Reading['value']): number {
  if (typeof value === 'number') return value;
  return value === true ? 1 : 0;
}
