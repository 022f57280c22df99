import type { ForwardedTrace } from '@weir/runtime';
import type { Command } from 'commander';
import { type RemoveOptions, withRemoveOptions } from '../removing.ts';
import { examples, family, type Session, wholeNumber } from '../session.ts';
import { plain, table } from '../table.ts';
import { deployBundle, listDeployments, removeDeployment, type WaitOptions, withWaitOptions } from './deploy.ts';
import { type ReleaseOptions, signCommand, withReleaseOptions } from './release.ts';
import { type RolloutFlags, withRolloutOptions } from './rollout-options.ts';
import { compareWith, readTraceFile, type TraceSeriesOptions } from './trace-files.ts';

interface TestOptions extends TraceSeriesOptions {
  readings: string;
  batch?: number;
  golden?: string;
  update?: boolean;
  json?: boolean;
}

const build = async (file: string) => (await import('@weir/runtime')).buildForwardingBundle(file);

export function forwardCommands(session: Session): Command {
  const forward = family('forward', 'forwarding policies: what devices send to the hub of what they measure');
  withRolloutOptions(
    withReleaseOptions(
      withWaitOptions(forward.command('apply').requiredOption('--group <group>', 'group of devices it is for')),
    ),
  )
    .description('deploy a forwarding policy to a group')
    .argument('[file]', 'YAML or JSON')
    .addHelpText(
      'after',
      `${examples('weir forward apply thin-line.yaml --group remote')}
A policy; the first entry that fits a series counts, what none fits is sent as it comes:
  name: thin-line
  forward:
    - metric: vibration_*
      every: 60s          # of each minute vibration_….mean, .min, .max and .count
    - metric: temperature
      onChange: 0.2       # what differs by more from what was sent last; or 1%
      atLeast: 15m        # a sign of life although nothing has changed
    - sensor: debug-*
      mode: none
`,
    )
    .action((file: string | undefined, options: WaitOptions & ReleaseOptions & RolloutFlags & { group: string }) =>
      deployBundle(session, file, build, { ...options, where: 'edge' }),
    );
  signCommand(session, forward.command('sign'), 'forward', build);
  forward
    .command('list')
    .description('forwarding policies that are deployed')
    .option('--group <group>', 'of one group')
    .option('--json', 'print JSON')
    .action((options: { group?: string; json?: boolean }) => listDeployments(session, 'forwarding', options));
  withRemoveOptions(forward.command('remove'))
    .description('take a policy off a group: its devices send everything again, and what they had of open windows')
    .argument('<name>')
    .requiredOption('--group <group>', 'group it is deployed to')
    .addHelpText('after', examples('weir forward remove thin-line --group remote'))
    .action((name: string, options: RemoveOptions & { group: string }) =>
      removeDeployment(session, 'forwarding', name, options),
    );
  testCommand(session, forward.command('test'));
  return forward;
}

function testCommand(session: Session, command: Command): void {
  command
    .description('what a policy would have sent of a recorded trace, and how far off the hub would have been')
    .argument('<file>', 'YAML or JSON')
    .requiredOption('--readings <file>', 'the trace: .csv, .jsonl or .cbor')
    .option('--sensor <name>', 'whose readings they are, when the trace does not say')
    .option('--metric <name>', 'what was measured, when the trace does not say')
    .option('--unit <unit>', 'in which unit, when the trace does not say')
    .option('--batch <n>', 'readings of one message to the hub; else 100', wholeNumber)
    .option('--golden <file>', 'compare what is sent with this file; fail when it differs by a byte')
    .option('--update', 'write the golden file')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir forward test thin-line.yaml --readings monday.csv'))
    .action((file: string, options: TestOptions) => test(session, file, options));
}

async function test(session: Session, file: string, options: TestOptions): Promise<void> {
  const { buildForwardingBundle, forwardTrace, goldenOf } = await import('@weir/runtime');
  const { Misuse } = await import('../failure.ts');
  if (options.update && options.golden === undefined)
    throw new Misuse('--update writes which file?', 'add --golden FILE');
  if (options.batch === 0) throw new Misuse('--batch 0: a message has at least one reading');
  const { bundle } = await buildForwardingBundle(file);
  const readings = await readTraceFile(options.readings, options);
  const trace = forwardTrace(bundle.forwarding, readings, options.batch === undefined ? {} : { batch: options.batch });
  if (options.json) {
    const { sent: _, ...report } = trace;
    session.out(`${JSON.stringify(report, null, 2)}\n`);
  } else session.out(await reportOf(bundle.forwarding.name, trace));
  if (options.golden === undefined) return;
  const outputs = trace.sent.map((emit) => ({ kind: 'emit' as const, emit }));
  await compareWith(session, goldenOf({ outputs, state: trace.entries }), options.golden, options.update ?? false);
}

async function reportOf(name: string, trace: ForwardedTrace): Promise<string> {
  const { perDay } = await import('@weir/runtime');
  const { taken, total, series, entries } = trace;
  const daily = (bytes: number) => size(perDay(bytes, trace));
  const saved = taken.bytes === 0 ? 0 : 100 - (100 * total.bytes) / taken.bytes;
  return [
    `${plain(name)}\n`,
    table(
      ['SENSOR', 'METRIC', 'READINGS', 'SENT', 'A DAY', 'WITH IT', 'OFF AT MOST'],
      series.map((each) => [
        each.sensor,
        each.metric,
        String(each.taken),
        String(each.sent),
        daily(each.bytesTaken),
        daily(each.bytesSent),
        each.errorMax === undefined ? '-' : String(Number(each.errorMax.toPrecision(4))),
      ]),
    ),
    table(
      ['ENTRY', 'TAKEN', 'SENT'],
      entries.map((each) => [each.entry, String(each.taken), String(each.forwarded)]),
      [0],
    ),
    `${taken.readings} readings, ${total.readings} sent: ${daily(taken.bytes)} a day, ${daily(total.bytes)} with it, ${saved.toFixed(1)}% less.`,
    'Messages to the hub as they are sent, without what MQTT, TLS and the network add to each.\n',
  ].join('\n');
}

function size(bytes: number | undefined): string {
  if (bytes === undefined) return '-';
  if (bytes < 10_000) return `${bytes} B`;
  return bytes < 10_000_000 ? `${Math.round(bytes / 1_000)} kB` : `${Math.round(bytes / 1e6)} MB`;
}
