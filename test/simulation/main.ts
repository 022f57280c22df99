/** `npm run sim -- [--seeds N] [--from SEED] [--processes N] [--json]`, `npm run sim -- --offline 90d`, `SIM_SEED=N npm run sim` */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { parseDuration } from '@weir/protocols';
import { runAlerts } from './alerts/run.ts';
import { buildBundles } from './bundles.ts';
import { simulateFullDisk } from './full-disk.ts';
import { simulateOffline } from './offline.ts';
import { simulateRollouts } from './rollouts/simulate.ts';
import { runSeeds } from './seed-runs.ts';
import { prepare, type SimulationResult, simulate } from './simulate.ts';

const USAGE = `Usage: npm run sim -- [--seeds N] [--from SEED] [--processes N] [--json]
       npm run sim -- --offline 90d [--json]
       npm run sim -- --rollouts N [--devices N] [--from SEED] [--trace]
       npm run sim -- --alerts N [--from SEED] [--json]
       npm run sim -- --disk-full 1h [--json]
       SIM_SEED=N npm run sim -- [--trace]

  Runs the real agent and the real hub on a simulated clock, network and disk, with faults that are drawn from a seed;
  and checks what was promised. One seed takes less than a second.

  --seeds N       how many (default: 100)
  --from SEED     the first of them (default: by lot)
  --processes N   at a time (default: one for each core)
  --offline TIME  instead: one device without its hub for so long, e.g. 90d; then everything has to arrive
  --disk-full T   instead: one device without its hub for so long, e.g. 1h, and then as long again with a full disk
  --rollouts N    instead: so many runs of deployments in waves over model devices, with hubs that are killed
  --devices N     of these runs (default: 1000)
  --alerts N      instead: so many rules through what sensors send late, twice, in outages and over restarts, beside an oracle
  --json          prints the sums as one JSON object, as the last line
  --trace         of SIM_SEED: prints everything that happens, and what agents and hub log
`;
const SEEDS_DEFAULT = 100;
const DEVICES_DEFAULT = 1_000;
const SEED_MAX = 2 ** 31;
const TOLD_EVERY_MS = 10_000;
const INTERRUPTED = 130;

interface Options {
  seeds: number;
  from: number;
  processes: number;
  only: number | undefined;
  offlineMs: number | undefined;
  rollouts: number | undefined;
  alerts: number | undefined;
  devices: number;
  diskFullMs: number | undefined;
  json: boolean;
  trace: boolean;
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = read(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { offlineMs, diskFullMs, json } = options;
  if (options.rollouts !== undefined) return await runRollouts({ ...options, seeds: options.rollouts });
  if (options.alerts !== undefined) return await runAlerts({ ...options, seeds: options.alerts });
  if (offlineMs !== undefined) return await runLong('offline', simulateOffline, offlineMs, json);
  if (diskFullMs !== undefined) return await runLong('disk-full', simulateFullDisk, diskFullMs, json);
  if (options.only !== undefined) return await runOne(options.only, options.trace);
  return await runMany(options);
}

/** @throws what is wrong with the arguments */
function read(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string' },
      from: { type: 'string' },
      processes: { type: 'string' },
      offline: { type: 'string' },
      rollouts: { type: 'string' },
      alerts: { type: 'string' },
      devices: { type: 'string' },
      'disk-full': { type: 'string' },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  return {
    seeds: numberOf('--seeds', values.seeds) ?? SEEDS_DEFAULT,
    from: numberOf('--from', values.from) ?? Math.floor(Math.random() * SEED_MAX),
    processes: numberOf('--processes', values.processes) ?? availableParallelism(),
    only: numberOf('SIM_SEED', process.env.SIM_SEED),
    rollouts: numberOf('--rollouts', values.rollouts),
    alerts: numberOf('--alerts', values.alerts),
    devices: numberOf('--devices', values.devices) ?? DEVICES_DEFAULT,
    offlineMs: durationOf('--offline', values.offline),
    diskFullMs: durationOf('--disk-full', values['disk-full']),
    ...{ json: values.json, trace: values.trace },
  };
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Error(`${name} wants a whole number, not ${text}`);
}

function durationOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`${name} wants a time such as 90d or 1h, not ${text}`);
  return ms;
}

async function runOne(seed: number, trace: boolean): Promise<number> {
  console.log(`seed ${seed}`);
  await prepare();
  const bundles = await buildBundles();
  const result = await simulate({ seed, bundles, ...(trace && { show: (line: string) => console.log(line) }) });
  console.log(summaryOf(result));
  if (result.violations.length === 0) return 0;
  tell(result);
  return 1;
}

async function runMany({ seeds, from, processes, json }: Options): Promise<number> {
  console.log(`seeds ${from} to ${from + seeds - 1}, ${processes} at a time`);
  const began = performance.now();
  const sums = { seeds: 0, failed: 0, simulated_s: 0, sent: 0, acknowledged: 0, stored: 0, missing: 0, alerts: 0 };
  const failed: number[] = [];
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const progress = setInterval(() => console.log(progressOf(sums, seeds, began)), TOLD_EVERY_MS);
  const onResult = (result: SimulationResult) => {
    sums.seeds++;
    sums.simulated_s += Math.round(result.simulatedMs / 1_000);
    for (const name of ['sent', 'acknowledged', 'stored', 'alerts'] as const) sums[name] += result[name];
    sums.missing += result.gaps;
    if (result.violations.length === 0) return;
    sums.failed++;
    failed.push(result.seed);
    tell(result);
  };
  const all = Array.from({ length: seeds }, (_, at) => from + at);
  try {
    await runSeeds({ seeds: all, processes, onResult, signal: interrupt.signal });
  } finally {
    clearInterval(progress);
  }
  console.log(progressOf(sums, seeds, began));
  if (failed.length > 0) console.log(`failed: ${failed.join(' ')}`);
  const seconds = (performance.now() - began) / 1_000;
  if (json) {
    console.log(JSON.stringify({ simulation: 'seeds', node: process.version, metrics: { ...sums, seconds } }));
  }
  if (interrupt.signal.aborted) return INTERRUPTED;
  return failed.length > 0 ? 1 : 0;
}

async function runLong(
  simulation: string,
  run: typeof simulateOffline | typeof simulateFullDisk,
  ms: number,
  json: boolean,
): Promise<number> {
  await prepare();
  const began = performance.now();
  const { violations, ...metrics } = await run(await buildBundles(), ms, (line) => console.log(line));
  for (const violation of violations) console.log(`  ${violation}`);
  console.log(violations.length === 0 ? 'all of it arrived, or was told as a gap' : 'NOT as promised');
  const seconds = (performance.now() - began) / 1_000;
  if (json) {
    console.log(JSON.stringify({ simulation, node: process.version, metrics: { ...metrics, seconds } }));
  }
  return violations.length === 0 ? 0 : 1;
}

/** One after another: each takes minutes with a thousand devices. */
async function runRollouts({ seeds, from, devices, json, trace }: Options): Promise<number> {
  console.log(`seeds ${from} to ${from + seeds - 1}, ${devices} devices`);
  const began = performance.now();
  const sums = { seeds: 0, failed: 0, kills: 0, done: 0, aborted: 0, superseded: 0 };
  for (let seed = from; seed < from + seeds; seed++) {
    const show = trace ? { show: (line: string) => console.log(line) } : {};
    const run = await simulateRollouts({ seed, devices, ...show });
    sums.seeds++;
    for (const name of ['kills', 'done', 'aborted', 'superseded'] as const) sums[name] += run[name];
    if (run.violations.length > 0) sums.failed++;
    for (const violation of run.violations) console.log(`  seed ${seed}: ${violation}`);
    const { kills, done, aborted, superseded } = run;
    console.log(`seed ${seed}: ${done} done, ${aborted} aborted, ${superseded} superseded, ${kills} hubs killed`);
  }
  const seconds = (performance.now() - began) / 1_000;
  if (json) {
    console.log(
      JSON.stringify({ simulation: 'rollouts', node: process.version, metrics: { ...sums, devices, seconds } }),
    );
  }
  return sums.failed > 0 ? 1 : 0;
}

function tell({ seed, violations, last }: SimulationResult): void {
  console.log(`seed ${seed} FAILED`);
  for (const violation of violations) console.log(`  ${violation}`);
  for (const line of last.slice(-5)) console.log(`    ${line}`);
  console.log(`  again: SIM_SEED=${seed} npm run sim -- --trace`);
}

function summaryOf({ trace, events, simulatedMs, sent, acknowledged, stored, gaps, alerts }: SimulationResult): string {
  const seconds = Math.round(simulatedMs / 1_000);
  return `${seconds} s, ${events} events, ${sent} readings sent, ${acknowledged} acknowledged, ${stored} stored, ${gaps} missing and told, ${alerts} alerts told; trace ${trace}`;
}

function progressOf(sums: { seeds: number; failed: number; simulated_s: number }, of: number, began: number): string {
  const seconds = Math.round((performance.now() - began) / 1_000);
  const hours = (sums.simulated_s / 3_600).toFixed(1);
  return `${sums.seeds} of ${of} seeds, ${sums.failed} failed, ${hours} h simulated in ${seconds} s`;
}
