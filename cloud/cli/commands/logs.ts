/** `weir fn logs` and `weir device logs`: what functions log, wherever they run. */
import { Command } from 'commander';
import type { LogEntry, LogEvent } from '../answers.ts';
import { Failure } from '../failure.ts';
import { examples, type Session } from '../session.ts';
import { age, clockTime, plain } from '../table.ts';

interface LogOptions {
  follow?: boolean;
  json?: boolean;
}

/** A device that is connected answers within a second or two. */
const ANSWER_MS = 5_000;

export function functionLogs(session: Session): Command {
  return withOptions(new Command('logs'))
    .description('what a function logged last, and its errors; with --follow also what comes')
    .argument('<name>')
    .option('--device <device>', 'on one device, or in the hub for it')
    .addHelpText('after', examples('weir fn logs oven-mean', 'weir fn logs oven-mean --device gw1 --follow'))
    .action((name: string, { device, ...options }: LogOptions & { device?: string }) =>
      showLogs(session, { function: name, device }, options),
    );
}

export function deviceLogs(session: Session): Command {
  return withOptions(new Command('logs'))
    .description('what the functions of a device logged last, and their errors; with --follow also what comes')
    .argument('<device>')
    .addHelpText('after', examples('weir device logs gw1 --follow'))
    .action((device: string, options: LogOptions) => showLogs(session, { device }, options));
}

function withOptions(command: Command): Command {
  return command
    .option('--follow', 'print lines as they come, until Ctrl-C')
    .option('--json', 'print JSON; with --follow one object a line');
}

type Query = { function?: string; device?: string | undefined };

async function showLogs(session: Session, query: Query, { follow = false, json = false }: LogOptions): Promise<void> {
  const ends = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ends.abort());
  const lines: LogEntry[] = [];
  const answers = new Answers(session, () => follow || ends.abort());
  for await (const each of session.hub().stream('/logs/follow', { ...query }, ends.signal)) {
    const event = each as LogEvent;
    if (event.type !== 'line') answers.take(event);
    else if (follow) session.out(json ? `${JSON.stringify(event)}\n` : `${lineOf(event)}\n`);
    else lines.push(event);
  }
  if (!ends.signal.aborted) throw new Failure('the hub ended the connection', 'is it still running?');
  if (follow) return;
  if (json) session.out(`${JSON.stringify(lines, null, 2)}\n`);
  else if (lines.length === 0) session.note('There are no lines.\n');
  else session.out(`${lines.map(lineOf).join('\n')}\n`);
}

/** Of the devices that were asked: says of those that cannot tell what is the matter, and when all have answered. */
class Answers {
  readonly #session: Session;
  readonly #onAll: () => void;
  readonly #open = new Set<string>();

  constructor(session: Session, onAll: () => void) {
    this.#session = session;
    this.#onAll = onAll;
  }

  take(event: Exclude<LogEvent, { type: 'line' }>): void {
    if (event.type === 'following') {
      for (const device of event.devices) this.#open.add(device);
      setTimeout(() => this.#giveUp(), ANSWER_MS).unref();
    } else if (event.state !== 'asked') {
      const { device } = event;
      if (event.state === 'offline') {
        this.#session.note(`${device} is offline${sinceOf(event.since)}: its lines come when it is back\n`);
      } else if (event.state === 'failed') this.#session.note(`${device} cannot be asked: ${plain(event.detail)}\n`);
      this.#open.delete(device);
    }
    if (this.#open.size === 0) this.#onAll();
  }

  #giveUp(): void {
    for (const device of this.#open) this.#session.note(`${device} has not answered in ${ANSWER_MS / 1000} s\n`);
    this.#open.clear();
    this.#onAll();
  }
}

function sinceOf(since: number | undefined): string {
  return since === undefined ? ', and never was connected' : ` (since ${age(since, Date.now())})`;
}

function lineOf({ device, where, function: fn, level, text, ts, left }: LogEntry): string {
  const from = where === 'edge' ? device : `hub/${device}`;
  const gap = left > 0 ? `… ${left} lines of ${fn} on ${from} were left out\n` : '';
  return `${gap}${clockTime(ts)}  ${level.padEnd(5)}  ${from}  ${fn}  ${plain(text)}`;
}
