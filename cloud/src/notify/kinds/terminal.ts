import { z } from 'zod';
import type { AlertMessage } from '../message.ts';
import { plainLine, wordsOf } from '../words.ts';
import { kind, type Parcel } from './kind.ts';

const settings = z.strictObject({});
const LINE_CHARS_MAX = 1_000;

export const terminal = kind<Record<string, never>>({
  title: "the hub's log and its events, for who watches",
  settings: settings as unknown as z.ZodType<Record<string, never>>,
  secrets: [],
  where: () => '',
  concurrency: 4,
  template: { fills: 'text', escape: 'none' },
  compose: (message, { name, text }) =>
    (text === undefined ? linesOf(message, name) : [plainLine(text, LINE_CHARS_MAX)]).map(
      (line): Parcel => ({ by: 'print', text: line }),
    ),
});

/** One calm line for each alert; without the time, which whoever prints it knows how to write. */
function linesOf(message: AlertMessage, name: string): string[] {
  if (message.kind === 'test') return [`test      info      ${name}  a test of this channel`];
  const { title, more } = wordsOf(message);
  const lines = message.alerts.map(({ transition }) => {
    const { state, severity, device, sensor, metric, summary } = transition;
    const series = [device, sensor, metric].filter((part) => part !== undefined).join('/');
    // A summary is written by user code: it must not move the cursor.
    return `${state.padEnd(8)}  ${severity.padEnd(8)}  ${series}  ${plainLine(summary)}`;
  });
  if (message.kind !== 'digest' && more === undefined) return lines;
  return [title, ...lines, ...(more === undefined ? [] : [more])];
}
