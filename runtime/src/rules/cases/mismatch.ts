/** What a table test expects beside what came: line by line, as a diff. */
import type { AlertTransition } from '@weir/protocols';
import { type EpisodeSpan, isTold } from '../episode-span.ts';
import type { RuleCase, WantedEpisode, WantedTransition } from './case.ts';
import { offsetText } from './offset-text.ts';

export interface Mismatch {
  of: 'transitions' | 'episodes';
  /** All lines, in order: as expected, missing, or not expected. */
  lines: MismatchLine[];
}

export interface MismatchLine {
  mark: ' ' | '-' | '+';
  text: string;
  /** In the file of the case, of what is expected. */
  line?: number;
  /** What is not as expected in a line that is the same otherwise. */
  why?: string;
}

export function mismatchesOf(
  { transitions, episodes, startAt }: RuleCase,
  told: readonly AlertTransition[],
  spans: readonly EpisodeSpan[],
): Mismatch[] {
  const mismatches: Mismatch[] = [];
  if (transitions !== undefined) {
    const states = new Set(transitions.map(({ state }) => state));
    const compared = told.filter((each) => isTold(each) || states.has(each.state));
    const lines = compare(transitions, compared, {
      faults: (wanted, got) => faultsOfTransition(wanted, got, startAt),
      near: (wanted, got) => wanted.state === got.state,
      wantedText: wantedTransitionText,
      gotText: (got) => transitionText(got, startAt),
    });
    if (lines.some(({ mark }) => mark !== ' ')) mismatches.push({ of: 'transitions', lines });
  }
  if (episodes !== undefined) {
    const fired = spans.filter(({ firedAt }) => firedAt !== undefined);
    const lines = compare(episodes, fired, {
      faults: (wanted, got) => faultsOfEpisode(wanted, got, startAt),
      near: () => true,
      wantedText: wantedEpisodeText,
      gotText: (got) => episodeText(got, startAt),
    });
    if (lines.some(({ mark }) => mark !== ' ')) mismatches.push({ of: 'episodes', lines });
  }
  return mismatches;
}

interface Comparing<W, G> {
  /** Empty: as expected. */
  faults(wanted: W, got: G): string[];
  near(wanted: W, got: G): boolean;
  wantedText(wanted: W): string;
  gotText(got: G): string;
}

/** By the longest run of lines that are as expected; what stands side by side in between is said to differ. */
function compare<W extends { line: number }, G>(
  wanted: readonly W[],
  got: readonly G[],
  { faults, near, wantedText, gotText }: Comparing<W, G>,
): MismatchLine[] {
  const width = got.length + 1;
  const common = new Uint32Array((wanted.length + 1) * width);
  const same = (i: number, j: number) => faults(wanted[i]!, got[j]!).length === 0;
  for (let i = wanted.length - 1; i >= 0; i--) {
    for (let j = got.length - 1; j >= 0; j--) {
      common[i * width + j] = same(i, j)
        ? common[(i + 1) * width + j + 1]! + 1
        : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
    }
  }
  const lines: MismatchLine[] = [];
  let [i, j] = [0, 0];
  while (i < wanted.length || j < got.length) {
    if (i < wanted.length && j < got.length && same(i, j)) {
      lines.push({ mark: ' ', text: gotText(got[j++]!), line: wanted[i++]!.line });
    } else if (j >= got.length || (i < wanted.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)) {
      const line: MismatchLine = { mark: '-', text: wantedText(wanted[i]!), line: wanted[i]!.line };
      const beside = j < got.length && near(wanted[i]!, got[j]!) ? faults(wanted[i]!, got[j]!) : [];
      if (beside.length > 0) line.why = beside.join(', ');
      lines.push(line);
      i++;
    } else lines.push({ mark: '+', text: gotText(got[j++]!) });
  }
  return lines;
}

function faultsOfTransition(wanted: WantedTransition, got: AlertTransition, startAt: number): string[] {
  const faults = [
    ...(got.ts === startAt + wanted.atMs ? [] : [`at ${offsetText(got.ts - startAt)}`]),
    ...differing(wanted, got, ['state', 'severity', 'reason', 'value', 'peak', 'level', 'device', 'sensor', 'metric']),
    ...differing(wanted, got, ['count', 'summary']),
  ];
  if (wanted.sinceMs !== undefined && got.startedAt !== startAt + wanted.sinceMs) {
    faults.push(`since ${offsetText(got.startedAt - startAt)}`);
  }
  if (wanted.historical !== undefined && wanted.historical !== (got.historical ?? false)) {
    faults.push(wanted.historical ? 'not historical' : 'historical');
  }
  return faults;
}

function faultsOfEpisode(wanted: WantedEpisode, got: EpisodeSpan, startAt: number): string[] {
  const faults = got.startedAt === startAt + wanted.fromMs ? [] : [`from ${offsetText(got.startedAt - startAt)}`];
  const to = got.resolvedAt === undefined ? undefined : got.resolvedAt - startAt;
  if (to !== wanted.toMs) faults.push(to === undefined ? 'still open' : `to ${offsetText(to)}`);
  faults.push(...differing(wanted, got, ['peak', 'device', 'sensor', 'metric']));
  const { severity } = wanted;
  const severities = severity?.length === 1 ? got.severities.slice(-1) : got.severities;
  if (severity !== undefined && severity.join() !== severities.join()) faults.push(got.severities.join(' → '));
  if (wanted.historical !== undefined && wanted.historical !== got.historical) {
    faults.push(wanted.historical ? 'not historical' : 'historical');
  }
  return faults;
}

function differing<K extends string>(
  wanted: { [key in K]?: unknown },
  got: { [key in K]?: unknown },
  fields: readonly K[],
): string[] {
  const isAsWanted = (field: K) =>
    wanted[field] === undefined || wanted[field] === got[field] || isNearly(wanted[field], got[field]);
  return fields.filter((field) => !isAsWanted(field)).map((field) => `${field} ${String(got[field] ?? 'none')}`);
}

/** What was computed, as a mean, is written down with some digits. */
function isNearly(wanted: unknown, got: unknown): boolean {
  if (typeof wanted !== 'number' || typeof got !== 'number') return false;
  return Math.abs(wanted - got) <= 1e-6 * Math.max(1, Math.abs(wanted));
}

function wantedTransitionText({ line: _, state, atMs, severity, reason, sinceMs, ...rest }: WantedTransition): string {
  const { device, sensor, metric, ...more } = rest;
  const words = [state, severity, reason, 'at', offsetText(atMs)];
  if (sinceMs !== undefined) words.push('since', offsetText(sinceMs));
  words.push(...ofSeries({ device, sensor, metric }), ...Object.entries(more).map(([key, value]) => `${key}=${value}`));
  return words.filter((word) => word !== undefined).join(' ');
}

/** @param startAt to which its times are told */
export function transitionText(got: AlertTransition, startAt: number): string {
  const { state, severity, reason, ts, value, startedAt, historical, device, sensor, metric } = got;
  const words = [state, severity, reason, 'at', offsetText(ts - startAt)];
  if (startedAt !== ts && state !== 'resolved') words.push('since', offsetText(startedAt - startAt));
  words.push(...ofSeries({ device, sensor, metric }));
  if (historical) words.push('historical');
  if (value !== undefined) words.push(`value=${value}`);
  return words.join(' ');
}

function wantedEpisodeText({ fromMs, toMs, severity = [], peak, historical, ...series }: WantedEpisode): string {
  const { device, sensor, metric } = series;
  const words = [...spanWords(fromMs, toMs), ...severity, ...ofSeries({ device, sensor, metric })];
  if (historical !== undefined) words.push(`historical=${historical}`);
  if (peak !== undefined) words.push(`peak=${peak}`);
  return words.join(' ');
}

function episodeText(
  { startedAt, resolvedAt, severities, peak, historical, ...got }: EpisodeSpan,
  startAt: number,
): string {
  const toMs = resolvedAt === undefined ? undefined : resolvedAt - startAt;
  const words = [...spanWords(startedAt - startAt, toMs), ...severities, ...ofSeries(got)];
  if (historical) words.push('historical');
  if (peak !== undefined) words.push(`peak=${peak}`);
  return words.join(' ');
}

function spanWords(fromMs: number, toMs: number | undefined): string[] {
  return toMs === undefined ? [offsetText(fromMs), 'on'] : [offsetText(fromMs), 'to', offsetText(toMs)];
}

function ofSeries(parts: {
  device?: string | undefined;
  sensor?: string | undefined;
  metric?: string | undefined;
}): string[] {
  const series = [parts.device, parts.sensor, parts.metric].filter((part) => part !== undefined);
  return series.length === 0 ? [] : ['of', series.join('/')];
}
