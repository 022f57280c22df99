/** A run of a function, for people and for programs. */
import type { Fault, LambdaCost, TraceOutput, TraceRun } from '@weir/runtime';
import { dollars, plain } from '../table.ts';

/** What happened, one line each: what it is, when, of what. */
export function outputLine(output: TraceOutput): string {
  return plain(describe(output));
}

function describe(output: TraceOutput): string {
  switch (output.kind) {
    case 'emit': {
      const { sensor, metric, value, unit, ts } = output.emit;
      return line('emit', ts, `${sensor}/${metric} ${value} ${unit ?? ''}`);
    }
    case 'alert': {
      const { state, severity, summary, ts } = output.alert;
      return line('alert', ts, `${state} ${severity}: ${summary}`);
    }
    case 'publish':
      return line('publish', undefined, `${output.publish.topic} ${output.publish.payload}`);
    case 'request': {
      const { method, url, body = '' } = output.request;
      return line('request', undefined, `${method} ${url} ${body}`);
    }
    case 'command':
      return line('command', undefined, `${output.command.name} ${JSON.stringify(output.command.payload)}`);
    case 'log':
      return line(output.log.level === 'info' ? 'log' : output.log.level, output.log.ts, output.log.text);
    case 'error': {
      const { kind, message, place, reading } = output.error;
      const of = reading === undefined ? '' : `  (${reading.sensor}/${reading.metric} ${reading.value} was left out)`;
      const text = `${kind === 'threw' ? '' : `${kind}: `}${message}${place === undefined ? '' : ` at ${place}`}${of}`;
      return line('ERROR', reading?.ts, text);
    }
  }
}

function line(what: string, ts: number | undefined, text: string): string {
  return `${what.padEnd(8)}${(ts === undefined ? '' : new Date(ts).toISOString()).padEnd(26)}${text}`.trimEnd();
}

/** The stack of the first error, with places in what the user wrote. */
export function firstStack(outputs: readonly TraceOutput[]): string {
  const found = outputs.find((output) => output.kind === 'error' && output.error.stack !== '');
  if (found?.kind !== 'error') return '';
  return `\n${found.error.stack
    .split('\n')
    .map((text) => `  ${plain(text)}`)
    .join('\n')}\n`;
}

const MIB = 1_048_576;

/**
 * What stands below the outputs.
 * @param lambda of a million readings
 */
export function summaryOf(
  run: TraceRun,
  limits: Readonly<Record<string, number>>,
  lambda: LambdaCost | undefined,
): string {
  const { steps, readings, timing, status, usage } = run;
  const hit = Object.entries(limits).map(([limit, count]) => `${limit} (${count === 1 ? 'once' : `${count} times`})`);
  const rows: [string, string][] = [
    ['state', JSON.stringify(run.state) ?? 'none'],
    [
      'readings',
      `${status.readings} of ${readings} matched its inputs, in ${steps === 1 ? 'one step' : `${steps} steps`}`,
    ],
    ['outputs', countsOf(run.outputs)],
  ];
  if (timing !== undefined) {
    const { stepMs, readingUs } = timing;
    rows.push(['a step', `p50 ${stepMs.p50.toFixed(2)} ms, p99 ${stepMs.p99.toFixed(2)} ms`]);
    rows.push(['a reading', `p50 ${readingUs.p50.toFixed(1)} µs, p99 ${readingUs.p99.toFixed(1)} µs`]);
  }
  const { cpuMs, invocations, heapBytesMax } = usage;
  const times = invocations === 1 ? 'one invocation' : `${invocations} invocations`;
  rows.push(['used', `${cpuMs.toFixed(1)} ms of CPU in ${times}, ${(heapBytesMax / MIB).toFixed(1)} MiB of heap`]);
  if (lambda !== undefined) {
    const [batched, single] = [dollars(lambda.batched.usd), dollars(lambda.oneByOne.usd)];
    rows.push([
      'on Lambda',
      `${batched} for a million readings in such batches, ${single} one by one (weir fn cost --help)`,
    ]);
  }
  rows.push(['limits hit', hit.join(', ') || 'none']);
  if (status.state !== 'running') rows.push([status.state, status.reason ?? '']);
  return rows.map(([name, text]) => `${name.padEnd(12)}${plain(text)}\n`).join('');
}

function countsOf(outputs: readonly TraceOutput[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of outputs) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ') || 'none';
}

/** An error without what the host keeps to itself. */
export function plainError({ kind, message, place, stack, reading }: Fault): object {
  return { kind, message, place, stack, reading };
}
