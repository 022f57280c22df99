import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Columns, columnsOf, readingsOf } from '@weir/protocols';
import { buildFunctionBundle, createSandbox, type Sandbox } from '@weir/runtime';
import { type Bench, type BenchOptions, type Metrics, median } from './bench.ts';
import runningMean from './functions/running-mean.ts';
import runningMeanSingle from './functions/running-mean-single.ts';

const BATCHES = [1, 10, 100, 1000];
const SENSORS = 4;
const ROUNDS = 5;
const WARM_UP_STEPS = 200;
const COLD_STARTS = 100;
const FUNCTIONS_ADDED = [1, 10, 50];

export const sandbox: Bench = {
  secondsDefault: 20,
  run,
  help: `
sandbox: what a function costs because it is kept apart.

  One sandbox process with its default limits. The function is a running mean of ${SENSORS} series with a state that every reading
  changes, once by its handler for whole batches and once by that for single readings. One batch after another: a step
  is handed over when the one before has answered, as one function on a device sees it. Beside it, in turns in the same
  run, the same function is called in this process over the same columns. Times are medians of ${ROUNDS} rounds.

  columns_readings_per_s       batches of 1000, handler for batches
  columns_vs_plain_ratio       its time by the time of the plain call
  reading_calls_per_s          batches of 1000, handler for single readings
  reading_vs_plain_ratio       its time by the time of the plain call
  columns_N_us_per_step        and reading_N_us_per_step: a batch of N readings, through the sandbox and back
  columns_N_plain_us_per_step  and reading_N_plain_us_per_step: the same in plain Node
  columns_busy_readings_per_s  two functions at a time, batches of 1000: what the processes can do when none waits
  cold_start_ms_p50            from a bundle never seen, in a process that runs, to its first result; ${COLD_STARTS} of them
  cold_start_ms_p99
  mb_per_function              resident memory of the process by functions added, the last ${FUNCTIONS_ADDED.at(-1)} of them
  mb_per_function_N            the same over the first N functions

  A plain call of a batch takes a few microseconds; to wake another process and be woken takes tens. What is bought is
  that no function can stop, fill or read the host.
`,
};

type Step = (columns: Columns) => unknown;

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const box = createSandbox();
  await box.start();
  const codes = {
    columns: await codeOf('running-mean'),
    reading: await codeOf('running-mean-single'),
  };
  const plain = { columns: plainBatches(), reading: plainReadings() };
  const metrics: Metrics = {};
  const roundMs = (seconds * 1_000) / (ROUNDS * BATCHES.length * 4);
  for (const style of ['columns', 'reading'] as const) {
    for (const count of BATCHES) {
      const columns = batchOf(count);
      const boxed = stepsIn(box, codes[style], `${style}-${count}`);
      for (let i = 0; i < WARM_UP_STEPS; i++) {
        await boxed(columns);
        plain[style](columns);
      }
      const boxedUs: number[] = [];
      const plainUs: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        boxedUs.push(await microsPerStep(boxed, columns, roundMs));
        plainUs.push(plainMicrosPerStep(plain[style], columns, roundMs));
      }
      metrics[`${style}_${count}_us_per_step`] = rounded(median(boxedUs));
      metrics[`${style}_${count}_plain_us_per_step`] = rounded(median(plainUs));
      say(`${style}, ${count}: ${rounded(median(boxedUs))} us, plain ${rounded(median(plainUs))} us`);
    }
  }
  const ratio = (style: string) =>
    rounded(metrics[`${style}_1000_us_per_step`]! / metrics[`${style}_1000_plain_us_per_step`]!);
  const perSecond = (style: string) => Math.round(1e9 / metrics[`${style}_1000_us_per_step`]!);
  const busy = await busyReadingsPerS(box, codes.columns, roundMs * ROUNDS);
  await box.stop();
  return {
    columns_readings_per_s: perSecond('columns'),
    columns_vs_plain_ratio: ratio('columns'),
    reading_calls_per_s: perSecond('reading'),
    reading_vs_plain_ratio: ratio('reading'),
    columns_busy_readings_per_s: busy,
    ...(await coldStarts(codes.columns)),
    ...(await memory(codes.columns)),
    ...metrics,
  };
}

async function codeOf(name: string): Promise<string> {
  const file = fileURLToPath(new URL(`./functions/${name}.ts`, import.meta.url));
  const { bundle } = await buildFunctionBundle(file);
  if (bundle.kind !== 'function') throw new Error(`${file} is no function`);
  return bundle.code;
}

function batchOf(count: number): Columns {
  const from = 1_700_000_000_000;
  return columnsOf(
    Array.from({ length: count }, (_, i) => ({
      sensor: `s${i % SENSORS}`,
      metric: 'temperature',
      value: 20 + Math.sin(i),
      ts: from + i * 100,
    })),
  );
}

/** Steps of one function, each from the state of the one before, as a fold host drives it. */
function stepsIn(box: Sandbox, code: string, key: string): (columns: Columns) => Promise<void> {
  const unit = { key, code, config: '{}', timeoutMs: 1_000, memoryMb: 64 };
  let revision = 0;
  return async (columns) => {
    const request = { instance: 'bench', revision, device: 'bench', seed: 1, receivedAt: 0, columns };
    const outcome = await box.step(unit, revision === 0 ? { ...request, states: [] } : request);
    if (outcome.kind !== 'returned') throw new Error(`${outcome.kind}: ${outcome.message}`);
    revision++;
  };
}

function plainBatches(): Step {
  const context = { state: runningMean.state!({}), config: {} };
  const handler = runningMean.readings as unknown as (batch: object, context: object) => void;
  return (columns) => handler({ ...columns, count: columns.index.length }, context);
}

function plainReadings(): Step {
  const context = { state: runningMeanSingle.state!({}), config: {} };
  const handler = runningMeanSingle.reading as unknown as (reading: object, context: object) => void;
  return (columns) => {
    for (const reading of readingsOf(columns)) handler(reading, context);
  };
}

async function microsPerStep(step: (columns: Columns) => Promise<void>, columns: Columns, ms: number) {
  const began = performance.now();
  let steps = 0;
  do {
    await step(columns);
    steps++;
  } while (performance.now() - began < ms);
  return ((performance.now() - began) * 1_000) / steps;
}

function plainMicrosPerStep(step: Step, columns: Columns, ms: number) {
  const began = performance.now();
  let steps = 0;
  do {
    for (let i = 0; i < 100; i++) step(columns);
    steps += 100;
  } while (performance.now() - began < ms);
  return ((performance.now() - began) * 1_000) / steps;
}

async function busyReadingsPerS(box: Sandbox, code: string, ms: number): Promise<number> {
  const columns = batchOf(1000);
  const each = await Promise.all(
    ['busy-a', 'busy-b'].map(async (key) => {
      const step = stepsIn(box, code, key);
      for (let i = 0; i < WARM_UP_STEPS; i++) await step(columns);
      return microsPerStep(step, columns, ms);
    }),
  );
  return Math.round(each.reduce((sum, micros) => sum + 1e9 / micros, 0));
}

async function coldStarts(code: string): Promise<Metrics> {
  const box = createSandbox();
  await box.start();
  // The host is warm: it has run functions before, though not these.
  await stepsIn(box, code, 'warm')(batchOf(10));
  const times: number[] = [];
  for (let i = 0; i < COLD_STARTS; i++) {
    const step = stepsIn(box, `${code}\n// ${i}`, `cold-${i}`);
    const began = performance.now();
    await step(batchOf(10));
    times.push(performance.now() - began);
    box.drop(`cold-${i}`);
  }
  await box.stop();
  times.sort((a, b) => a - b);
  return {
    cold_start_ms_p50: rounded(times[Math.floor(COLD_STARTS * 0.5)]!),
    cold_start_ms_p99: rounded(times[Math.floor(COLD_STARTS * 0.99) - 1]!),
  };
}

async function memory(code: string): Promise<Metrics> {
  const box = createSandbox();
  await box.start();
  const before = residentMb(box.pids[0]!);
  const metrics: Metrics = {};
  let added = 0;
  for (const count of FUNCTIONS_ADDED) {
    for (; added < count; added++) {
      const step = stepsIn(box, `${code}\n// ${added}`, `added-${added}`);
      for (let i = 0; i < 20; i++) await step(batchOf(100));
    }
    metrics[`mb_per_function_${count}`] = rounded((residentMb(box.pids[0]!) - before) / count);
  }
  await box.stop();
  return { mb_per_function: metrics[`mb_per_function_${FUNCTIONS_ADDED.at(-1)}`]!, ...metrics };
}

/** 0 where there is no /proc. @see proc_pid_statm(5) */
function residentMb(pid: number): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 2 ** 20;
  } catch {
    return 0;
  }
}

function rounded(number: number): number {
  return Math.round(number * 100) / 100;
}
