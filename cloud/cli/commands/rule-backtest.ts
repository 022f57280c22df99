/** `weir rule backtest`: what a rule would have told over the past. */
import type { JsonObject } from '@weir/protocols';
import type { Backtest, BacktestRule, BacktestSource, FunctionSandbox } from '@weir/runtime';
import type { Command } from 'commander';
import { backtestJson, backtestReport, type Judged } from '../backtest-report.ts';
import type { HubClient } from '../client.ts';
import { Failure, Misuse } from '../failure.ts';
import { hubHistory } from '../hub-history.ts';
import {
  bundleOf,
  configsFor,
  devicesFor,
  levelsOfNow,
  momentOf,
  type RuleSource,
  ruleFrom,
  sourceOf,
} from '../rule-source.ts';
import { examples, type Session, several, wholeNumber } from '../session.ts';
import { parseConfig } from './deploy.ts';
import { withSandboxOnDemand } from './rule-sandbox.ts';
import { isColourful, Progress, terminalWidth } from './rule-terminal.ts';
import { openTrace, seriesFor, type TraceSeriesOptions } from './trace-files.ts';

interface BacktestOptions extends TraceSeriesOptions {
  since?: string;
  until?: string;
  device?: string[];
  group?: string;
  csv?: string;
  compare?: string;
  config?: string[];
  limit: number;
  plots: number;
  json?: boolean;
}

const SINCE_DEFAULT = '30d';
const LIMIT_DEFAULT = 20;
const DEPLOYED = 'deployed';
const CSV_DEVICE = 'device1';

export function backtestCommand(session: Session, command: Command): void {
  command
    .description('what a rule would have told, over what the hub has kept or a recorded trace')
    .argument('<rule>', 'a file, or the name of a rule that is deployed (NAME@VERSION: one that was released)')
    .option('--since <time>', `from when on: 30d, 12h, or a time (default: ${SINCE_DEFAULT}; of a file all of it)`)
    .option('--until <time>', 'until when; else until now')
    .option('--device <device>', 'over this device; may be given several times; else those it is deployed to', several)
    .option('--group <group>', 'over the devices of this group')
    .option(
      '--csv <file>',
      'over a recorded trace (.csv, .jsonl, .cbor); asks no hub; what has no name gets one that the rule looks at',
    )
    .option('--compare <rule>', `beside another: a file, NAME@VERSION, or "${DEPLOYED}" for what is deployed now`)
    .option(
      '--config <key=value>',
      'in place of a tag or a value of the deployment; may be given several times',
      several,
    )
    .option('--sensor <name>', 'whose readings they are, when the trace does not say')
    .option('--metric <name>', 'what was measured, when the trace does not say')
    .option('--unit <unit>', 'in which unit, when the trace does not say')
    .option('--limit <n>', 'episodes to show', wholeNumber, LIMIT_DEFAULT)
    .option('--plots <n>', 'series to draw, those with the most episodes', wholeNumber, 1)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir rule backtest oven-hot.yaml --since 30d --group ovens',
        'weir rule backtest oven-hot.yaml --compare deployed            what the change would make',
        'weir rule backtest oven-hot.yaml --csv oven.csv',
      ),
    )
    .action((rule: string, options: BacktestOptions) => run(session, rule, options));
}

/** Over what it runs, and from when to when. */
interface Ground {
  sources: BacktestSource[];
  from: number;
  to: number;
  /** Where, for whom the rule looks at nothing. */
  whatThereIs: string;
  configOf(source: RuleSource, device: string): JsonObject;
}

async function run(session: Session, text: string, options: BacktestOptions): Promise<void> {
  const hub = options.csv === undefined ? session.hub() : undefined;
  const candidate = await ruleFrom(text, hub);
  const before = options.compare === undefined ? undefined : await comparedWith(options.compare, candidate, hub);
  // The old one first: what is only in the second is what the change would add.
  const judged = before === undefined ? [candidate] : [before, candidate];
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());
  const progress = new Progress();
  const ground =
    hub === undefined
      ? await traceGround(judged, options, ended.signal, progress)
      : await hubGround(hub, judged, options);
  const outcome = await withSandboxOnDemand((sandbox) =>
    over(judged, ground, { sandbox, progress, signal: ended.signal }),
  ).finally(() => progress.clear());
  const { from, to } = ground;
  if (outcome.readings === 0 && outcome.stoppedAt === undefined) {
    throw new Failure('there is no reading in this time that the rule looks at', ground.whatThereIs);
  }
  const shown: Judged = { rules: judged, outcome, from, to, devices: ground.sources.map(({ device }) => device) };
  if (options.json) session.out(`${JSON.stringify(await backtestJson(shown), null, 2)}\n`);
  else {
    const { limit, plots } = options;
    session.out(await backtestReport(shown, { limit, plots, width: terminalWidth(), colours: isColourful() }));
  }
  if (hub !== undefined) await tellOfTags(session, judged);
  if (outcome.stoppedAt !== undefined)
    throw new Failure('it was ended before its time: what is told is of the time until then');
}

async function tellOfTags(session: Session, judged: readonly RuleSource[]): Promise<void> {
  const text = await levelsOfNow(judged.map(({ rule }) => rule));
  if (text !== undefined) session.note(`${text}\n`);
}

async function over(
  judged: readonly RuleSource[],
  { sources, from, to, configOf }: Ground,
  { sandbox, progress, signal }: { sandbox: FunctionSandbox; progress: Progress; signal: AbortSignal },
): Promise<Backtest> {
  const { backtest, chartColumns } = await import('@weir/runtime');
  const faults = new Set<string>();
  const rules = judged.map(
    (source): BacktestRule => ({ built: source.built, configOf: (device) => configOf(source, device) }),
  );
  const outcome = await backtest(rules, sources, {
    ...{ sandbox, signal, from, to, columns: chartColumns(terminalWidth()) },
    group: judged.at(-1)!.deployments[0]?.group ?? 'group',
    onProgress: ({ device, at, readings }) => {
      const done = sources.findIndex((each) => each.device === device);
      const part = Math.max(0, Math.min(1, (at - from) / (to - from)));
      progress.tell((Math.max(0, done) + part) / sources.length, `${readings.toLocaleString('en')} readings`);
    },
    onFault: (message) => faults.add(message),
  });
  if (faults.size > 0) throw new Failure(`the condition failed: ${[...faults].slice(0, 3).join('; ')}`);
  return outcome;
}

async function hubGround(hub: HubClient, judged: readonly RuleSource[], options: BacktestOptions): Promise<Ground> {
  const { factsOf, inOrder } = await import('@weir/runtime');
  const now = Date.now();
  const to = options.until === undefined ? now : await momentOf('--until', options.until, now);
  const from = await momentOf('--since', options.since ?? SINCE_DEFAULT, now);
  if (from >= to) throw new Misuse('--since is not before --until');
  const facts = judged.map(({ built }) => factsOf(built.bundle));
  const signals = facts.flatMap((each) => each.signals);
  const lookbackMs = Math.max(...facts.map((each) => each.lookbackMs));
  const devices = await devicesFor(hub, options, judged.at(-1)!);
  const configs = new Map<RuleSource, Map<string, JsonObject>>();
  for (const source of judged) configs.set(source, await configsFor(hub, devices, source, options.config));
  const sources = devices.map((device): BacktestSource => {
    // What was before brings the rule up: its windows are full when the time begins.
    const range = { signals, from: Math.max(0, from - lookbackMs), to };
    return { device, parts: inOrder(hubHistory(hub, device, range)) };
  });
  const whatThereIs = 'look at what there is: weir device show DEVICE';
  return { sources, from, to, whatThereIs, configOf: (source, device) => configs.get(source)?.get(device) ?? {} };
}

async function traceGround(
  judged: readonly RuleSource[],
  options: BacktestOptions,
  ended: AbortSignal,
  progress: Progress,
): Promise<Ground> {
  const { factsOf } = await import('@weir/runtime');
  const file = options.csv!;
  if (options.group !== undefined)
    throw new Misuse('--group is of a hub, and --csv asks none', 'give --device, or neither');
  const [signal] = factsOf(judged.at(-1)!.built.bundle).signals;
  const series = { ...seriesFor(signal, file), ...options };
  const onProgress = (part: number) => progress.tell(part, `of ${file} read`);
  const { first, last, series: found, parts } = await openTrace(file, series, { signal: ended, onProgress });
  const to = options.until === undefined ? last + 1 : await momentOf('--until', options.until, last);
  const from = options.since === undefined ? first : await momentOf('--since', options.since, last);
  if (from >= to) throw new Misuse('--since is not before --until');
  const config = parseConfig(options.config ?? []);
  const sources = [{ device: options.device?.[0] ?? CSV_DEVICE, parts: parts() }];
  const whatThereIs = `${file} has ${found.join(', ')}; a column is the metric of its name, unless there are columns sensor, metric and value`;
  return { sources, from, to, whatThereIs, configOf: () => config };
}

async function comparedWith(
  text: string,
  { rule, deployments }: RuleSource,
  hub: HubClient | undefined,
): Promise<RuleSource> {
  if (text !== DEPLOYED) return ruleFrom(text, hub);
  if (hub === undefined) throw new Misuse(`--compare ${DEPLOYED} asks the hub, and --csv asks none`, 'give a file');
  const [deployed] = deployments;
  if (deployed === undefined) throw new Misuse(`${rule.name} is not deployed: there is nothing to compare with`);
  return sourceOf(await bundleOf(hub, deployed.hash), deployments);
}
