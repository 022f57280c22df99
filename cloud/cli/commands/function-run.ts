import { watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Sandbox } from '@weir/runtime';
import type { Command } from 'commander';
import { Failure, Misuse } from '../failure.ts';
import { examples, type Session } from '../session.ts';
import { type LiveOptions, runLive } from './function-live.ts';
import { runFile, show, type TraceFileOptions, withSandbox, withTraceOptions } from './function-test.ts';

interface RunOptions extends TraceFileOptions, LiveOptions {
  watch?: boolean;
}

/** An editor writes a file in several goes. */
const SETTLE_MS = 100;

export function runCommand(session: Session, command: Command): void {
  withTraceOptions(command)
    .description('run a function while you write it: over a trace, or over what sensors send now')
    .argument('<file>', 'module whose default export is a function definition')
    .option('--watch', 'bundle and run it again whenever a file in its folder changes, until Ctrl-C')
    .option('--readings <file>', 'the trace: .csv, .jsonl or .cbor')
    .option('--broker <host:port>', 'live readings of this broker, e.g. the one of an agent, until Ctrl-C')
    .option('--username <name>', 'user of the broker', 'sensor')
    .option('--password-file <file>', "the user's password, e.g. .weir/agent/credentials/sensor-password")
    .option('--topic <pattern>', 'topics of the readings', 'plant/{sensor}/{metric}')
    .addHelpText(
      'after',
      examples(
        'weir fn run mean.ts --watch --readings oven.csv',
        'weir fn run mean.ts --watch --broker 127.0.0.1:1883 --password-file sensor-password',
      ),
    )
    .action((file: string, options: RunOptions) => run(session, file, options));
}

async function run(session: Session, file: string, options: RunOptions): Promise<void> {
  const { readings, broker } = options;
  if ((readings === undefined) === (broker === undefined)) {
    throw new Misuse('readings from where?', 'give either --readings FILE or --broker HOST:PORT');
  }
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());
  await withSandbox(async (sandbox) => {
    const once = (signal: AbortSignal) => runOnce(session, sandbox, file, options, signal);
    if (!options.watch) return once(ended.signal);
    return watching(session, file, readings, ended.signal, once);
  });
}

async function runOnce(
  session: Session,
  sandbox: Sandbox,
  file: string,
  options: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  const { readings } = options;
  if (readings === undefined) return runLive(session, sandbox, file, options, signal);
  const { built, run } = await runFile(session, sandbox, file, { ...options, readings });
  await show(session, built, run, options);
}

/** Runs, waits for a change, and runs again; what is wrong with the function is told and waited out. */
async function watching(
  session: Session,
  file: string,
  readings: string | undefined,
  ended: AbortSignal,
  once: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  // What was imported from is not known when bundling fails: the folders as a whole.
  const folders = new Set([dirname(resolve(file)), ...(readings === undefined ? [] : [dirname(resolve(readings))])]);
  let changed = Promise.withResolvers<string>();
  const watchers = [...folders].map((folder) =>
    watch(folder, (_event, name) => {
      if (name !== null && !/^\.|~$|\.golden\.jsonl$/.test(name)) changed.resolve(basename(name));
    }),
  );
  const interrupted = new Promise<undefined>((done) => {
    if (ended.aborted) done(undefined);
    ended.addEventListener('abort', () => done(undefined));
  });
  try {
    while (!ended.aborted) {
      changed = Promise.withResolvers<string>();
      const superseded = new AbortController();
      const signal = AbortSignal.any([ended, superseded.signal]);
      const running = once(signal).catch((error: unknown) => tell(session, error));
      session.note('Watching for changes. Ctrl-C ends it.\n');
      const name = await Promise.race([changed.promise, interrupted]);
      superseded.abort();
      await running;
      if (name === undefined) return;
      await setTimeout(SETTLE_MS);
      session.note(`\n${name} has changed\n`);
    }
  } finally {
    for (const each of watchers) each.close();
  }
}

async function tell(session: Session, error: unknown): Promise<void> {
  const { UsageError } = await import('@weir/runtime');
  const known = error instanceof Misuse || error instanceof Failure || error instanceof UsageError;
  if (!known) throw error;
  session.note(`${error.message}\n${error.remedy === undefined ? '' : `  ${error.remedy}\n`}`);
}
