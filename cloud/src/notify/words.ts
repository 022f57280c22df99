/** What a message says to people: the same words for each kind of channel, which escapes them in its own way. */
import type { AlertMessage, MessageAlert } from './message.ts';

export interface Words {
  /** One line. */
  title: string;
  items: Item[];
  /** What is not listed; undefined: nothing. */
  more?: string;
}

export interface Item {
  alert: MessageAlert;
  /** One line. */
  headline: string;
  /** Name and value, in the order to be read. */
  facts: [name: string, value: string][];
  description?: string;
  /** Links that may be followed. */
  runbook?: string;
  url?: string;
}

const HEADLINE_CHARS_MAX = 500;
const TITLE_CHARS_MAX = 200;

export function wordsOf(message: AlertMessage): Words {
  const items = message.alerts.map(itemOf);
  const words: Words = { title: titleOf(message, items), items };
  if (message.leftOut > 0) words.more = `… and ${message.leftOut} more, not listed here: see weir alert list`;
  return words;
}

/** Control characters move a cursor, end a header or a line: a space is in their place. */
export function plainLine(text: string, charsMax = HEADLINE_CHARS_MAX): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ').trim();
  return shortened(line, charsMax);
}

/** Lines stay. */
export function plainText(text: string, charsMax: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return shortened(text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, ' '), charsMax);
}

/** Never within a character. */
export function shortened(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  return `${text.slice(0, charsMax - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** @returns undefined for what is no link that a person should follow */
export function httpLink(text: string | undefined): string | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : undefined;
}

function titleOf(message: AlertMessage, items: readonly Item[]): string {
  const { counts, commonLabels, groupLabels } = message;
  const prefix = prefixOf(message);
  const only = items[0];
  if (counts.firing + counts.resolved === 1 && only !== undefined) {
    return plainLine(`${prefix} ${only.alert.severity}: ${only.headline}`, TITLE_CHARS_MAX);
  }
  const name = commonLabels.alertname ?? groupLabels.alertname;
  const parts = Object.entries(counts).flatMap(([state, n]) => (n > 0 ? [`${n} ${state}`] : []));
  return plainLine([prefix, parts.join(', '), ...(name === undefined ? [] : [name])].join(' '), TITLE_CHARS_MAX);
}

/** What is usual needs no words. */
const REASONS: Partial<Record<AlertMessage['why'], string>> = {
  repeat: 'STILL FIRING',
  escalation: 'ESCALATED',
  flapping: 'FLAPPING',
  acknowledged: 'ACKNOWLEDGED',
  digest: 'DIGEST',
  historical: 'OVER BY NOW',
};

function prefixOf({ kind, why, status }: AlertMessage): string {
  if (kind === 'test') return `[TEST, ${status}]`;
  return `[${REASONS[why] ?? status.toUpperCase()}]`;
}

function itemOf(alert: MessageAlert): Item {
  const { annotations, labels, transition, value, unit, level, peak, startsAt, endsAt, severity } = alert;
  const summary = annotations.summary ?? transition.summary;
  const series = [labels.device ?? transition.device, labels.sensor, labels.metric].filter(
    (part) => part !== undefined,
  );
  const measured = (n: NonNullable<MessageAlert['value']>) =>
    plainLine(unit === undefined ? `${n}` : `${n} ${unit}`, 256);
  const facts: Item['facts'] = [['Series', plainLine(series.join('/'), 256)]];
  if (labels.alertname !== undefined) facts.push(['Rule', plainLine(labels.alertname, 128)]);
  facts.push(['Severity', severity]);
  if (value !== undefined) facts.push(['Value', measured(value)]);
  if (level !== undefined) facts.push(['Level', measured(level)]);
  if (peak !== undefined) facts.push(['Peak', measured(peak)]);
  facts.push(['Since', timeOf(startsAt)]);
  if (endsAt !== undefined) {
    facts.push(['Until', timeOf(endsAt)]);
    facts.push(['For', spanOf(endsAt - startsAt)]);
  }
  const item: Item = { alert, headline: plainLine(summary), facts };
  const description = annotations.description ?? transition.description;
  const runbook = httpLink(annotations.runbook ?? transition.runbook);
  const url = httpLink(alert.url);
  if (description !== undefined) item.description = plainText(description, 1_000);
  if (runbook !== undefined) item.runbook = runbook;
  if (url !== undefined) item.url = url;
  return item;
}

/** UTC, to the second. */
export function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** The two largest units. */
export function spanOf(ms: number): string {
  const units: [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ];
  const parts: string[] = [];
  let rest = Math.max(0, ms);
  for (const [name, size] of units) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) parts.push(`${n}${name}`);
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? '0s' : parts.join(' ');
}
