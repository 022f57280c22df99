import type { BuiltBundle, LambdaCost, Sandbox, TraceRun } from '@weir/runtime';
import type { Command } from 'commander';
import { Failure, Misuse } from '../failure.ts';
import { examples, type Session, several, wholeNumber } from '../session.ts';
import { parseConfig } from './deploy.ts';
import { firstStack, outputLine, plainError, summaryOf } from './function-report.ts';
import { compareWith, readTraceFile, seriesFor, type TraceSeriesOptions } from './trace-files.ts';

export interface TraceFileOptions extends TraceSeriesOptions {
  readings?: string;
  config?: string[];
  batch?: number;
  tail?: string;
  limit: number;
}

interface TestOptions extends TraceFileOptions {
  readings: string;
  golden?: string;
  update?: boolean;
  json?: boolean;
}

const LIMIT_DEFAULT = 100;

/** The options that `fn test` and `fn run` share, but for `--readings`. */
export function withTraceOptions(command: Command): Command {
  return command
    .option('--sensor <name>', 'whose readings they are, when the trace does not say')
    .option('--metric <name>', 'what was measured, when the trace does not say')
    .option('--unit <unit>', 'in which unit, when the trace does not say')
    .option('--config <key=value>', 'value the function gets as ctx.config; may be given several times', several)
    .option('--batch <n>', 'readings of one step at most; else 100', wholeNumber)
    .option('--tail <duration>', 'how long the clock runs on after the last reading, for schedules')
    .option('--limit <n>', 'outputs to show', wholeNumber, LIMIT_DEFAULT);
}

export function testCommand(session: Session, command: Command): void {
  withTraceOptions(command)
    .description('run a function over a recorded trace, in the sandbox that devices have')
    .argument('<file>', 'module whose default export is a function definition')
    .requiredOption('--readings <file>', 'the trace: .csv, .jsonl or .cbor')
    .option('--golden <file>', 'compare the outcome with this file; fail when it differs by a byte')
    .option('--update', 'write the golden file')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir fn test mean.ts --readings oven.csv --config window=30',
        'weir fn test mean.ts --readings oven.csv --golden mean.golden.jsonl --update',
        'weir fn test mean.ts --readings oven.csv --golden mean.golden.jsonl     in CI',
      ),
    )
    .action((file: string, options: TestOptions) => test(session, file, options));
}

async function test(session: Session, file: string, options: TestOptions): Promise<void> {
  if (options.update && options.golden === undefined)
    throw new Misuse('--update writes which file?', 'add --golden FILE');
  const { built, run } = await withSandbox((sandbox) => runFile(session, sandbox, file, options));
  await show(session, built, run, options);
  const { goldenOf } = await import('@weir/runtime');
  if (options.golden !== undefined) await compareWith(session, goldenOf(run), options.golden, options.update ?? false);
  const errors = run.outputs.filter(({ kind }) => kind === 'error').length;
  if (run.status.state !== 'running') throw new Failure(`${run.status.name} was stopped: ${run.status.reason}`);
  // Errors that the golden file has are what is expected.
  if (errors > 0 && options.golden === undefined) throw new Failure(errors === 1 ? '1 error' : `${errors} errors`);
}

/** @throws {Misuse} as well as what building and reading throw */
export async function runFile(
  session: Session,
  sandbox: Sandbox,
  file: string,
  options: TraceFileOptions & { readings: string },
): Promise<{ built: BuiltBundle; run: TraceRun }> {
  const { buildFunctionBundle, runTrace } = await import('@weir/runtime');
  const { parseDuration } = await import('@weir/protocols');
  const tailMs = options.tail === undefined ? 0 : parseDuration(options.tail);
  if (tailMs === undefined) throw new Misuse(`--tail ${options.tail} is no duration`, 'give one such as 30s or 5m');
  if (options.batch === 0) throw new Misuse('--batch 0: a step has at least one reading');
  const built = await buildFunctionBundle(file);
  const { bundle } = built;
  const [input] = bundle.kind === 'function' ? bundle.manifest.inputs : [];
  const readings = await readTraceFile(options.readings, { ...seriesFor(input, options.readings), ...options });
  for (const note of built.notes) session.note(`note: ${note}\n`);
  const run = await runTrace(built, readings, {
    sandbox,
    config: parseConfig(options.config ?? []),
    tailMs,
    elapsedMs: () => performance.now(),
    ...(options.batch === undefined ? {} : { batch: options.batch }),
  });
  return { built, run };
}

export async function withSandbox<T>(use: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  const { createSandbox } = await import('@weir/runtime');
  const sandbox = createSandbox();
  try {
    await sandbox.start();
    return await use(sandbox);
  } finally {
    await sandbox.stop();
  }
}

export async function show(
  session: Session,
  { bundle, hash }: BuiltBundle,
  run: TraceRun,
  options: TraceFileOptions & { json?: boolean },
): Promise<void> {
  const { outputs, state, steps, readings, timing, status, usage } = run;
  const limits = await limitsHit(run);
  const { version, memoryMb } = bundle.kind === 'function' ? bundle.manifest : { version: '', memoryMb: 0 };
  const lambda = await costOf(run, memoryMb);
  if (options.json) {
    const told = outputs.map((output) =>
      output.kind === 'error' ? { error: plainError(output.error) } : omitKind(output),
    );
    const about = { name: status.name, version, hash, status, steps, readings };
    const report = { ...about, outputs: told, state, usage, lambda, timing, limits };
    session.out(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  session.out(`${status.name}@${version}\n\n`);
  for (const output of outputs.slice(0, options.limit)) session.out(`${outputLine(output)}\n`);
  if (outputs.length > options.limit)
    session.out(`… and ${outputs.length - options.limit} more: --limit ${outputs.length}\n`);
  session.out(`${firstStack(outputs)}\n${summaryOf(run, limits, lambda)}`);
}

function omitKind({ kind: _, ...output }: TraceRun['outputs'][number]): object {
  return output;
}

/** Of a million readings such as these. */
async function costOf({ usage }: TraceRun, memoryMb: number): Promise<LambdaCost | undefined> {
  const { costOfMillionReadings, LAMBDA_PRICES } = await import('@weir/runtime');
  return costOfMillionReadings(usage, memoryMb, LAMBDA_PRICES.x86);
}

async function limitsHit({ outputs }: TraceRun): Promise<Record<string, number>> {
  const { limitOf } = await import('@weir/runtime');
  const limits: Record<string, number> = {};
  for (const output of outputs) {
    const limit = output.kind === 'error' ? limitOf(output.error) : undefined;
    if (limit !== undefined) limits[limit] = (limits[limit] ?? 0) + 1;
  }
  return limits;
}
