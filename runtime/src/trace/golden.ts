/**
 * A golden file says what a function makes of a trace, one JSON object a line: what it emitted, then its alerts, publishes,
 * requests, commands, log lines and errors, each in their order, and its state in the end. So it does not depend on how the trace was cut
 * into steps. Left out is what names a version, a device or a place in the source.
 */
import type { TraceOutput, TraceRun } from './run-trace.ts';

const KINDS = ['emit', 'alert', 'publish', 'request', 'command', 'log', 'error'] as const;
const CONTEXT_LINES = 2;
const SHOWN_LINES_MAX = 60;
/** Over this the differing middle is shown as a block: comparing costs lines times lines. */
const COMPARED_LINES_MAX = 2_000;

export function goldenOf({ outputs, state }: Pick<TraceRun, 'outputs' | 'state'>): string {
  const lines = KINDS.flatMap((kind) => outputs.filter((output) => output.kind === kind).map(goldenLine));
  return `${[...lines, JSON.stringify({ state: state ?? null })].join('\n')}\n`;
}

function goldenLine(output: TraceOutput): string {
  switch (output.kind) {
    case 'emit':
      return JSON.stringify({ emit: output.emit });
    case 'alert': {
      const { state, reason, severity, sensor, metric, ts, startedAt, value, peak, summary } = output.alert;
      return JSON.stringify({
        alert: { state, reason, severity, sensor, metric, ts, startedAt, value, peak, summary },
      });
    }
    case 'publish': {
      const { topic, payload, qos, retain } = output.publish;
      return JSON.stringify({ publish: { topic, payload, qos, retain } });
    }
    case 'request': {
      const { key, name, method, url, headers, body, timeoutMs, retries } = output.request;
      return JSON.stringify({ request: { key, name, method, url, headers, body, timeoutMs, retries } });
    }
    case 'command': {
      const { name, payload, function: taker } = output.command;
      return JSON.stringify({ command: { name, payload, function: taker } });
    }
    case 'log': {
      const { level, text, ts } = output.log;
      return JSON.stringify({ log: { level, text, ts } });
    }
    case 'error': {
      const { kind, message, reading } = output.error;
      return JSON.stringify({ error: { kind, message, reading } });
    }
  }
}

/** @returns what differs, for a reader; undefined when nothing does, to the byte */
export function compareGolden(golden: string, now: string): string | undefined {
  if (golden === now) return undefined;
  const [before, after] = [golden.split('\n'), now.split('\n')];
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  const room = Math.min(before.length, after.length) - head;
  while (tail < room && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const from = Math.max(0, head - CONTEXT_LINES);
  const lines = [
    `@@ line ${from + 1} @@  - golden  + now`,
    ...before.slice(from, head).map((line) => `  ${line}`),
    ...differences(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail, before.length - tail + CONTEXT_LINES).map((line) => `  ${line}`),
  ];
  const more = lines.length - SHOWN_LINES_MAX;
  if (more > 0) lines.splice(SHOWN_LINES_MAX, more, `… and ${more} more lines`);
  return `${lines.join('\n').trimEnd()}\n`;
}

/** By the longest common subsequence; runs of equal lines in between are shortened. */
function differences(before: readonly string[], after: readonly string[]): string[] {
  const [rows, columns] = [before.length, after.length];
  if (rows > COMPARED_LINES_MAX || columns > COMPARED_LINES_MAX) {
    const half = SHOWN_LINES_MAX / 2 - CONTEXT_LINES - 1;
    return [...marked('-', before, half), ...marked('+', after, half)];
  }
  const width = columns + 1;
  const common = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      common[i * width + j] =
        before[i] === after[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    if (i < rows && j < columns && before[i] === after[j]) {
      lines.push(`  ${before[i++]}`);
      j++;
    } else if (j >= columns || (i < rows && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)) {
      lines.push(`- ${before[i++]}`);
    } else lines.push(`+ ${after[j++]}`);
  }
  return shortenedRuns(lines);
}

function marked(mark: string, lines: readonly string[], max: number): string[] {
  const shown = lines.slice(0, max).map((line) => `${mark} ${line}`);
  return lines.length > max ? [...shown, `${mark} … and ${lines.length - max} more lines`] : shown;
}

function shortenedRuns(lines: readonly string[]): string[] {
  const isEqual = (line: string | undefined) => line?.startsWith('  ') ?? false;
  const nearChange = (at: number) =>
    lines.slice(Math.max(0, at - CONTEXT_LINES), at + CONTEXT_LINES + 1).some((line) => !isEqual(line));
  const kept: string[] = [];
  for (const [at, line] of lines.entries()) {
    if (!isEqual(line) || nearChange(at)) kept.push(line);
    else if (kept.at(-1) !== '  …') kept.push('  …');
  }
  return kept;
}
