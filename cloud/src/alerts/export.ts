/** Episodes as files: a table for spreadsheets, or all that is known of each as one JSON object a line. */
import type { Seen } from './alerts.ts';
import type { Episode } from './episode.ts';

type Exported = Episode & Seen;
type Cell = string | number | boolean | undefined;

const COLUMNS: readonly [name: string, of: (episode: Exported) => Cell][] = [
  ['episode', ({ episode }) => episode],
  ['state', ({ state }) => state],
  ['reason', ({ reason }) => reason],
  ['severity', ({ severity }) => severity],
  ['severity_max', ({ severityMax }) => severityMax],
  ['rule', ({ source }) => source.name],
  ['rule_version', ({ source }) => source.version],
  ['raised_by', ({ source, origin }) => `${source.kind} (${origin})`],
  ['device', ({ device }) => device],
  ['sensor', ({ sensor }) => sensor],
  ['metric', ({ metric }) => metric],
  ['started_at', ({ startedAt }) => time(startedAt)],
  ['fired_at', ({ firedAt }) => time(firedAt)],
  ['cleared_at', ({ clearedAt }) => time(clearedAt)],
  ['resolved_at', ({ resolvedAt }) => time(resolvedAt)],
  ['recorded_at', ({ recordedAt }) => time(recordedAt)],
  ['pending_seconds', ({ pendingMs }) => seconds(pendingMs)],
  ['active_seconds', ({ activeMs }) => seconds(activeMs)],
  ['value', ({ value }) => value],
  ['level', ({ level }) => level],
  ['unit', ({ unit }) => unit],
  ['peak', ({ peak }) => peak],
  ['peak_at', ({ peakAt }) => time(peakAt)],
  ['count', ({ count }) => count],
  ['historical', ({ historical }) => historical ?? false],
  ['dry_run', ({ dryRun }) => dryRun ?? false],
  ['acked_at', ({ ackedAt }) => time(ackedAt)],
  ['acked_by', ({ ackedBy }) => ackedBy],
  ['ack_comment', ({ ackComment }) => ackComment],
  ['seconds_to_ack', ({ toAckMs }) => seconds(toAckMs)],
  ['assignee', ({ assignee }) => assignee],
  ['ended_by', ({ endedManually }) => endedManually?.by],
  ['comments', ({ comments }) => comments ?? 0],
  ['labels', ({ labels }) => (labels === undefined ? undefined : JSON.stringify(labels))],
  ['summary', ({ summary }) => summary],
];

/** @see RFC 4180 */
export async function* csvOf(episodes: AsyncIterable<Exported>): AsyncGenerator<string> {
  yield `${COLUMNS.map(([name]) => name).join(',')}\r\n`;
  for await (const episode of episodes) yield `${COLUMNS.map(([, of]) => cell(of(episode))).join(',')}\r\n`;
}

export async function* ndjsonOf(episodes: AsyncIterable<Exported>): AsyncGenerator<string> {
  for await (const { seen, trimmedTo, told, ...episode } of episodes) yield `${JSON.stringify(episode)}\n`;
}

/** A text that a spreadsheet would take for a formula is marked as a text: devices and functions may write anything. */
function cell(value: Cell): string {
  if (value === undefined) return '';
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function time(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}
