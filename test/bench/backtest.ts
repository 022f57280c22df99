/** A month of readings out of a hub's store, gone through by `weir rule backtest`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { historyChanges, type Store, spanChange } from '@weir/cloud';
import { columnsOf, type Reading } from '@weir/protocols';
import { bins, System } from '../support/system.ts';
import type { Bench, BenchOptions, Metrics } from './bench.ts';
import { startFilledHub } from './filled-hub.ts';
import { rssMb } from './process-figures.ts';

const DEVICE = 'gw1';
const DAYS = 30;
const READINGS = DAYS * 86_400;
/** Of a batch as devices send it in half a minute. */
const BATCH = 30;
const BATCHES_PER_WRITE = 50;
/** Hot for a tenth of each period. */
const PERIOD = 3_600;
const HOT = 360;
const RULES: Record<string, string> = {
  level: 'name: level\nsensor: oven1\nmetric: temperature\nabove: 80\nclear: 75\n',
  mean: 'name: mean\nsensor: oven1\nmetric: temperature\nvalue: { avg: 1m }\nabove: 80\nclear: 75\nfor: 30s\n',
};

export const backtestBench: Bench = {
  secondsDefault: 60,
  help: `
backtest: ${DAYS} days of one reading a second, ${READINGS.toLocaleString('en')} readings of one device, in the store of a real hub (\`weir hub\`).

  \`weir rule backtest RULE --since …\` goes through all of them, once by a rule with a level and once by one with the mean of a minute and
  \`for\`. Each must tell of one episode an hour, or the bench fails. --seconds is without effect.

  level_s, mean_s                   from the start of the command to its end
  level_readings_per_s …            by that
  level_cli_rss_mb …                resident memory of the command, at most: it does not hold what it reads
  hub_rss_mb                        that of the hub, at most
`,
  run,
};

async function run({ say }: BenchOptions): Promise<Metrics> {
  const system = new System();
  try {
    const from = Math.floor(Date.now() / 3_600_000) * 3_600_000 - DAYS * 86_400_000;
    await startFilledHub(system, (store) => fill(store, from));
    const metrics: Metrics = { readings: READINGS };
    let hubMb = 0;
    for (const [name, rule] of Object.entries(RULES)) {
      const file = join(system.folder, `${name}.yaml`);
      writeFileSync(file, rule);
      const found = await timed(system, file, from);
      hubMb = Math.max(hubMb, found.hubMb);
      metrics[`${name}_s`] = round(found.s);
      metrics[`${name}_readings_per_s`] = Math.round(READINGS / found.s);
      metrics[`${name}_cli_rss_mb`] = Math.round(found.cliMb);
      say(`${name}: ${metrics[`${name}_s`]} s, ${metrics[`${name}_cli_rss_mb`]} MB`);
    }
    return { ...metrics, hub_rss_mb: Math.round(hubMb) };
  } finally {
    await system.stop();
  }
}

async function fill(store: Store, from: number): Promise<void> {
  let widest = 0;
  for (let at = 0; at < READINGS; at += BATCH * BATCHES_PER_WRITE) {
    const made = Array.from({ length: BATCHES_PER_WRITE }, (_, n) => {
      const seq = at + n * BATCH;
      const columns = columnsOf(Array.from({ length: BATCH }, (_, i) => readingAt(seq + i, from)));
      return historyChanges({ device: DEVICE, lane: 'live', epoch: 'e1', seq, columns, at: from + seq * 1_000 });
    });
    await store.write(made.flatMap(({ changes }) => changes));
    widest = Math.max(widest, ...made.map(({ spanMs }) => spanMs));
  }
  await store.write([spanChange(DEVICE, widest)]);
}

function readingAt(second: number, from: number): Reading {
  const value = second % PERIOD < HOT ? 85 + (second % 7) / 10 : 60 + (second % 11) / 10;
  return { sensor: 'oven1', metric: 'temperature', value, ts: from + second * 1_000 };
}

async function timed(system: System, file: string, from: number) {
  const since = new Date(from).toISOString();
  const until = new Date(from + READINGS * 1_000).toISOString();
  const span = ['--since', since, '--until', until, '--device', DEVICE];
  const args = [bins.weir, 'rule', 'backtest', file, ...span, '--json', '--hub-data', system.hubData];
  const began = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let [hubMb, cliMb] = [0, 0];
  const sampling = setInterval(() => {
    hubMb = Math.max(hubMb, rssMb(system.hub!.pid!));
    cliMb = Math.max(cliMb, rssMb(child.pid!));
  }, 200);
  try {
    const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    const s = (performance.now() - began) / 1_000;
    if (code !== 0) throw new Error(`weir rule backtest ended with ${code}`);
    const { readings, summary } = JSON.parse(out) as { readings: number; summary: { episodes: number } };
    if (readings !== READINGS || summary.episodes !== DAYS * 24) {
      throw new Error(
        `${readings} readings with ${summary.episodes} episodes, in the place of ${READINGS} with ${DAYS * 24}`,
      );
    }
    return { s, hubMb, cliMb };
  } finally {
    clearInterval(sampling);
  }
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
