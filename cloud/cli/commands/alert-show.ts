import type { AlertTransition } from '@weir/protocols';
import { Command } from 'commander';
import type { EpisodeDetail } from '../alert-answers.ts';
import { didWhat, notesOf, series, span } from '../alert-words.ts';
import { examples, path, type Session } from '../session.ts';
import { clockTime, plain, table } from '../table.ts';

export function showCommand(session: Session): Command {
  return new Command('show')
    .description('one alert: how it stands, all that became of it, and what was done with it')
    .argument('<episode>', 'its id, or as much of its begin as no other has')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir alert show 3f2a91c0'))
    .action(async (id: string, options: { json?: boolean }) => {
      const episode = await session.hub().get<EpisodeDetail>(path`/alerts/${id}`);
      const { items } = await session.hub().get<{ items: Notified[] }>(path`/alerts/${episode.episode}/notifications`);
      if (options.json) session.out(`${JSON.stringify({ ...episode, notifications: items }, null, 2)}\n`);
      else session.out(`${describe(episode)}${notifiedTable(items)}`);
    });
}

/** What became of it on its way to a channel. */
interface Notified {
  at: number;
  channel?: string;
  what: string;
  why: string;
  detail?: string;
}

function notifiedTable(items: readonly Notified[]): string {
  if (items.length === 0) return '';
  const rows = items.map(({ at, channel = '-', what, why, detail = '' }) => [
    clockTime(at),
    channel,
    what,
    why,
    detail,
  ]);
  return `\n${table(['TIME', 'CHANNEL', 'WHAT', 'WHY', 'DETAIL'], rows)}`;
}

function describe(episode: EpisodeDetail): string {
  const { source, origin, transitions, severity, severityMax, log } = episode;
  const notes = notesOf(episode, Date.now());
  const worst = severityMax === severity ? '' : ` (was ${severityMax})`;
  const lines: [string, string | undefined][] = [
    ['alert', episode.episode],
    ['state', [`${episode.state}, ${severity}${worst}`, ...notes].join(', ')],
    ['series', series(episode)],
    ['raised by', `${source.kind} ${source.name}@${source.version} (${origin})${episode.dryRun ? ', dry run' : ''}`],
    ['summary', plain(episode.summary)],
    ['description', episode.description && plain(episode.description)],
    ['runbook', episode.runbook && plain(episode.runbook)],
    ['labels', labelsOf(episode)],
    ['began', beganWords(episode)],
    ['ended', endWords(episode)],
    ['peak', peakWords(episode)],
  ];
  const head = lines.filter(([, text]) => text !== undefined).map(([name, text]) => `${name.padEnd(12)} ${text}`);
  const parts = [head.join('\n'), `\n${transitionTable(transitions)}`];
  const causes = causeLines(transitions);
  if (causes.length > 0) parts.push(`\nWhat brought it about:\n${causes.join('\n')}\n`);
  if (log.length > 0) parts.push(`\n${log.map((entry) => `${clockTime(entry.at)}  ${didWhat(entry)}`).join('\n')}\n`);
  return parts.join('\n');
}

function transitionTable(transitions: readonly AlertTransition[]): string {
  const rows = transitions.map(({ seq, state, severity, ts, level, value, unit, reason, quality }) => [
    String(seq),
    state,
    severity,
    quality === undefined ? clockTime(ts) : `${clockTime(ts)} (${quality})`,
    level === undefined ? '-' : amount(level, unit),
    value === undefined ? '-' : amount(value, unit),
    reason,
  ]);
  return table(['SEQ', 'STATE', 'SEVERITY', 'TIME', 'LEVEL', 'VALUE', 'REASON'], rows);
}

function causeLines(transitions: readonly AlertTransition[]): string[] {
  const causes = transitions.findLast((each) => (each.causes?.length ?? 0) > 0)?.causes ?? [];
  return causes.map((cause) => `  ${clockTime(cause.ts)}  ${causeName(cause)}  ${plain(String(cause.value))}`);
}

function causeName({ device, sensor, metric }: NonNullable<AlertTransition['causes']>[number]): string {
  return [device, sensor, metric].filter((part) => part !== undefined).join('/');
}

function labelsOf({ labels = {} }: EpisodeDetail): string | undefined {
  const each = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return each.length === 0 ? undefined : plain(each.join(', '));
}

function beganWords({ startedAt, firedAt, pendingMs, recordedAt }: EpisodeDetail): string {
  const fired = firedAt === undefined ? '' : `, fired ${clockTime(firedAt)} (after ${span(pendingMs ?? 0)})`;
  const late = recordedAt - (firedAt ?? startedAt);
  return `${clockTime(startedAt)}${fired}${late >= LATE_MS ? `; the hub heard of it ${span(late)} later` : ''}`;
}

/** What is worth a word. */
const LATE_MS = 10_000;

function endWords({ resolvedAt, reason, activeMs, clearedAt, endedManually }: EpisodeDetail): string | undefined {
  if (resolvedAt === undefined)
    return clearedAt === undefined ? undefined : `its condition was over ${clockTime(clearedAt)}`;
  const by = endedManually === undefined ? '' : `, by ${endedManually.by}`;
  const after = activeMs === undefined ? '' : `, after ${span(activeMs)}`;
  return `${clockTime(resolvedAt)} (${reason}${by})${after}`;
}

function peakWords({ peak, peakAt, unit }: EpisodeDetail): string | undefined {
  if (peak === undefined) return undefined;
  return peakAt === undefined ? amount(peak, unit) : `${amount(peak, unit)}, ${clockTime(peakAt)}`;
}

function amount(value: number | boolean | string, unit: string | undefined): string {
  return unit === undefined ? String(value) : `${value} ${unit}`;
}
