import { dirname, resolve } from 'node:path';
import type { Sandbox } from '@weir/runtime';
import type { Command } from 'commander';
import { Misuse } from '../failure.ts';
import { examples, type Session } from '../session.ts';
import { type LiveOptions, runLive } from './function-live.ts';
import { runFile, show, type TraceFileOptions, withSandbox, withTraceOptions } from './function-test.ts';
import { watching } from './watching.ts';

interface RunOptions extends TraceFileOptions, LiveOptions {
  watch?: boolean;
}

/** Nor the file that it may write itself. */
const IGNORED = /^\.|~$|\.golden\.jsonl$/;

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
    const folders = [file, ...(readings === undefined ? [] : [readings])].map((each) => dirname(resolve(each)));
    return watching(session, { folders, ignored: IGNORED, ended: ended.signal }, once);
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
