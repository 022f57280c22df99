/** History written out by `weir alert export`, while the hub goes on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { bins, System } from '../support/system.ts';
import type { Bench, BenchOptions, Metrics } from './bench.ts';
import { startFilledHub } from './filled-hub.ts';
import { EPISODES, fill } from './kept-episodes.ts';
import { rssMb } from './process-figures.ts';

const FORMATS = ['csv', 'ndjson'] as const;
const ASK_MS = 20;

export const alertExport: Bench = {
  secondsDefault: 30,
  help: `
alert-export: ${EPISODES} episodes out of a hub by its own command.

  The store of a real hub (\`weir hub\`) is filled with ${EPISODES} episodes, two transitions each, as workers record them. Then
  \`weir alert export\` writes them all, as a table and as JSON, each to a file. Meanwhile somebody else asks the hub for one alert
  each ${ASK_MS} ms: what an export takes from others. --seconds is without effect.

  csv_s, ndjson_s             from the start of the command to its end
  csv_mb, ndjson_mb           written
  csv_episodes_per_s …        by that
  hub_rss_mb, hub_rss_csv_mb …   resident memory of the hub before, and the most meanwhile: it does not hold what it writes
  cli_rss_csv_mb …            that of the command
  asked_idle_p99_ms, asked_csv_p99_ms …   answers to whoever else asks, without an export and beside one
`,
  run,
};

async function run({ say }: BenchOptions): Promise<Metrics> {
  const system = new System();
  try {
    await startFilledHub(system, (store) => fill(store, false));
    const ask = asker(system);
    const idle = await asked(ask, pause(2_000));
    const metrics: Metrics = {
      episodes: EPISODES,
      hub_rss_mb: Math.round(rssMb(system.hub!.pid!)),
      asked_idle_p99_ms: round(quantile(idle, 0.99)),
    };
    for (const format of FORMATS) {
      const file = join(system.folder, `alerts.${format}`);
      const { s, hubMb, cliMb, tookMs } = await timed(system, ask, format, file);
      verifyWhole(file, format);
      metrics[`${format}_s`] = round(s);
      metrics[`${format}_mb`] = Math.round(statSync(file).size / 2 ** 20);
      metrics[`${format}_episodes_per_s`] = Math.round(EPISODES / s);
      metrics[`hub_rss_${format}_mb`] = Math.round(hubMb);
      metrics[`cli_rss_${format}_mb`] = Math.round(cliMb);
      metrics[`asked_${format}_p99_ms`] = round(quantile(tookMs, 0.99));
      say(`${format}: ${metrics[`${format}_s`]} s, ${metrics[`${format}_mb`]} MB`);
    }
    return metrics;
  } finally {
    await system.stop();
  }
}

async function timed(system: System, ask: () => Promise<number>, format: string, file: string) {
  const args = [bins.weir, 'alert', 'export', '--format', format, '--hub-data', system.hubData];
  const began = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = Promise.all([pipeline(child.stdout, createWriteStream(file)), successful(child)]);
  let [hubMb, cliMb] = [0, 0];
  const sampling = setInterval(() => {
    hubMb = Math.max(hubMb, rssMb(system.hub!.pid!));
    cliMb = Math.max(cliMb, rssMb(child.pid!));
  }, 100);
  try {
    let s = 0;
    const tookMs = await asked(
      ask,
      ended.then(() => {
        s = (performance.now() - began) / 1_000;
      }),
    );
    return { s, hubMb, cliMb, tookMs };
  } finally {
    clearInterval(sampling);
  }
}

async function successful(child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`weir alert export ended with ${code}`);
}

function verifyWhole(file: string, format: (typeof FORMATS)[number]): void {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').length;
  const expected = format === 'csv' ? EPISODES + 1 : EPISODES;
  if (lines !== expected) throw new Error(`${file} has ${lines} lines in the place of ${expected}`);
}

function asker(system: System): () => Promise<number> {
  const { url, apiKey } = JSON.parse(readFileSync(join(system.hubData, 'cli.json'), 'utf8')) as Record<string, string>;
  const headers = { authorization: `Bearer ${apiKey}` };
  return async () => {
    const began = performance.now();
    const answer = await fetch(`${url}/api/v1/alerts?limit=1`, { headers });
    await answer.text();
    if (!answer.ok) throw new Error(`the hub answers ${answer.status}`);
    return performance.now() - began;
  };
}

/** @returns how long answers took until then, ms */
async function asked(ask: () => Promise<number>, until: Promise<unknown>): Promise<number[]> {
  let isOver = false;
  const over = until.finally(() => {
    isOver = true;
  });
  const took: number[] = [];
  while (!isOver) {
    took.push(await ask());
    await Promise.race([pause(ASK_MS), over]);
  }
  await over;
  return took;
}

function quantile(numbers: readonly number[], share: number): number {
  const rising = numbers.toSorted((a, b) => a - b);
  return rising[Math.max(0, Math.ceil(share * rising.length) - 1)] ?? Number.NaN;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
