/** `npm run kill-points -- [--points N] [--seed N] [--run N]` */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { show } from './plan.ts';
import type { KilledRun } from './run.ts';
import { Runs, told } from './runs.ts';

const USAGE = `Usage: npm run kill-points -- [--points N] [--seed N] [--run N]

  Runs a real agent over a journal of readings without a break, then again and again on copies of the same journal while
  agent and sandbox are killed with kill -9; each of these runs must leave what the unbroken one left, byte for byte. In
  one run out of ten the readings come over MQTT instead, and the journal that is left is what is run without a break.

  --points N   kills, ${10} in each run (default: 500)
  --seed N     from which readings and points are drawn (default: by lot)
  --run N      only that one of the runs
`;
const POINTS_DEFAULT = 500;
const POINTS_PER_RUN = 10;
/** Some seconds of work. */
const SIZES = { groups: 600, liveGroups: 400 };

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const options = read(args);
  if (options === undefined) return 2;
  const { points, seed, only } = options;
  console.log(`seed ${seed}`);
  const folder = mkdtempSync(join(tmpdir(), 'weir-kill-points-'));
  const runs = new Runs(folder, seed, SIZES);
  const began = performance.now();
  const failed: number[] = [];
  const all: KilledRun[] = [];
  const count = Math.ceil(points / POINTS_PER_RUN);
  await runs.prepare();
  for (let run = 1; run <= count; run++) {
    if (only !== undefined && run !== only) continue;
    const startedAt = performance.now();
    const outcome = await runs.run(run, Math.min(POINTS_PER_RUN, points - (run - 1) * POINTS_PER_RUN));
    all.push(outcome);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    console.log(
      `run ${run} of ${count}: ${told(outcome.hits)}, ${seconds} s: ${outcome.faults.length === 0 ? 'equal' : 'DIFFERS'}`,
    );
    if (outcome.faults.length === 0) continue;
    failed.push(run);
    for (const { point } of outcome.hits) console.log(`  killed: ${show(point)}`);
    for (const fault of outcome.faults) console.log(`  ${fault}`);
    console.log(`  again: npm run kill-points -- --points ${points} --seed ${seed} --run ${run}`);
  }
  const hits = all.flatMap((each) => each.hits);
  const [heard, repeated] = [sum(all.map((each) => each.heard)), sum(all.map((each) => each.repeated))];
  console.log(`\n${all.length} runs, ${told(hits)}, ${Math.round((performance.now() - began) / 1_000)} s`);
  console.log(`${heard} messages of functions were heard by an actuator, ${repeated} of them again`);
  if (failed.length === 0) {
    rmSync(folder, { recursive: true, force: true });
    console.log('all runs ended as the uninterrupted one');
    return 0;
  }
  console.log(
    `${failed.length} runs ended otherwise: ${failed.join(', ')} of seed ${seed}; what they left is in ${folder}`,
  );
  return 1;
}

function read(args: string[]): { points: number; seed: number; only: number | undefined } | undefined {
  try {
    const options = { points: { type: 'string' }, seed: { type: 'string' }, run: { type: 'string' } } as const;
    const { values } = parseArgs({ args, options: { ...options, help: { type: 'boolean', short: 'h' } } });
    if (!values.help) {
      const seed = number('seed', values.seed, Math.floor(Math.random() * 1_000_000))!;
      return { seed, points: number('points', values.points, POINTS_DEFAULT)!, only: number('run', values.run) };
    }
    process.stdout.write(USAGE);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  }
  return undefined;
}

function number(name: string, text: string | undefined, otherwise?: number): number | undefined {
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    throw new Error(`--${name}: a whole number over 0 is wanted, not ${text}`);
  return Number(text);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
