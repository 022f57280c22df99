import { readFileSync } from 'node:fs';
import { type Columns, readingsOf } from '@weir/protocols';
import { createSandbox } from '@weir/runtime';
import { type Bench, type BenchOptions, type Metrics, median } from './bench.ts';
import { batchOf, codeOf, handlerInside, inFlight, oneAtATime, stepsIn } from './boxed.ts';
import runningMean from './functions/running-mean.ts';
import runningMeanSingle from './functions/running-mean-single.ts';

const BATCHES = [1, 10, 100, 1000];
const ROUNDS = 9;
const WARM_UP_STEPS = 200;
const DEVICES = 8;
const HANDLER_STEPS = 60;
const COLD_STARTS = 100;
const FUNCTIONS_ADDED = [1, 10, 50];

export const sandbox: Bench = {
  secondsDefault: 25,
  run,
  help: `
sandbox: what a function costs because it is kept apart.

  One sandbox process with its default limits. The function is a running mean of four series with a state that every reading
  changes, once by its handler for whole batches and once by that for single readings. Beside it, in turns in the same
  run, the same function is called in this process over the same columns, where nothing is written down, checked or sent.
  Times are medians of ${ROUNDS} rounds.

  Two modes. One at a time: a step is handed over when the one before has answered, as one function on a device sees
  it; half of the time goes by while one process wakes the other. In flight: ${DEVICES} devices share the function, and each
  waits for its own step, as in the cloud.

  columns_readings_per_s            one at a time, batches of 1000, handler for batches
  columns_vs_plain_ratio            its time by the time of the plain call
  columns_in_flight_readings_per_s  the same in flight
  columns_in_flight_vs_plain_ratio
  reading_calls_per_s               one at a time, batches of 1000, handler for single readings
  reading_vs_plain_ratio            its time by the time of the plain call
  inside_ratio                      the handler alone, over 1000 readings that are there, in the isolate by plain: what
                                    remains of columns_vs_plain_ratio without the step around it
  columns_N_us_per_step             and reading_N_us_per_step, one at a time: a batch of N readings, there and back
  columns_N_isolate_us_per_step     and reading_N_…: of it, processor time of the isolate: taking the batch and the
                                    state in, the handler, and writing down the state
  columns_N_plain_us_per_step       and reading_N_…: the same in plain Node
  cold_start_ms_p50                 from a bundle never seen, in a process that runs, to its first result; ${COLD_STARTS} of them
  cold_start_ms_p99
  mb_per_function                   resident memory of the process by functions added, the last ${FUNCTIONS_ADDED.at(-1)} of them
  mb_per_function_N                 the same over the first N functions

  A plain call of a batch takes a few microseconds; to copy it to another process, to wake that and be woken, and to
  read and write the state takes tens. What is bought is that no function can stop, fill or read the host.
`,
};

type Plain = (columns: Columns) => unknown;

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const box = createSandbox();
  await box.start();
  const codes = {
    columns: await codeOf('running-mean'),
    reading: await codeOf('running-mean-single'),
  };
  const plain = { columns: plainBatches(), reading: plainReadings() };
  const metrics: Metrics = {};
  const roundMs = (seconds * 1_000) / (ROUNDS * (BATCHES.length * 2 + 1) * 2);
  for (const style of ['columns', 'reading'] as const) {
    for (const count of BATCHES) {
      const step = stepsIn(box, codes[style], `${style}-${count}`);
      const { boxed, plainUs } = await besidePlain(plain[style], batchOf(count), roundMs, step, (columns) =>
        oneAtATime(step, columns, roundMs),
      );
      metrics[`${style}_${count}_us_per_step`] = rounded(median(boxed.map(({ us }) => us)));
      metrics[`${style}_${count}_isolate_us_per_step`] = rounded(median(boxed.map(({ isolateUs }) => isolateUs)));
      metrics[`${style}_${count}_plain_us_per_step`] = rounded(plainUs);
      say(`${style}, ${count}: ${metrics[`${style}_${count}_us_per_step`]} us, plain ${rounded(plainUs)} us`);
    }
  }
  const devices = Array.from({ length: DEVICES }, (_, at) => stepsIn(box, codes.columns, 'in-flight', `device${at}`));
  const warmUp = (columns: Columns) => inFlight(devices, columns, 0);
  const flown = await besidePlain(plain.columns, batchOf(1000), roundMs, warmUp, (columns) =>
    inFlight(devices, columns, roundMs),
  );
  const flownUs = median(flown.boxed);
  const handlerUs = await handlerInside(box, batchOf(1000), HANDLER_STEPS);
  say(`in flight: ${rounded(flownUs)} us; the handler in the isolate: ${rounded(handlerUs)} us`);
  await box.stop();
  const perSecond = (us: number) => Math.round(1e9 / us);
  const [columnsUs, readingUs] = [metrics.columns_1000_us_per_step!, metrics.reading_1000_us_per_step!];
  return {
    columns_readings_per_s: perSecond(columnsUs),
    columns_vs_plain_ratio: rounded(columnsUs / metrics.columns_1000_plain_us_per_step!),
    columns_in_flight_readings_per_s: perSecond(flownUs),
    columns_in_flight_vs_plain_ratio: rounded(flownUs / flown.plainUs),
    reading_calls_per_s: perSecond(readingUs),
    reading_vs_plain_ratio: rounded(readingUs / metrics.reading_1000_plain_us_per_step!),
    inside_ratio: rounded(handlerUs / flown.plainUs),
    ...(await coldStarts(codes.columns)),
    ...(await memory(codes.columns)),
    ...metrics,
  };
}

/** Measures in turns, so that what else the machine does meets both. */
async function besidePlain<T>(
  plain: Plain,
  columns: Columns,
  ms: number,
  warmUp: (columns: Columns) => Promise<unknown>,
  measure: (columns: Columns) => Promise<T>,
): Promise<{ boxed: T[]; plainUs: number }> {
  for (let i = 0; i < WARM_UP_STEPS; i++) {
    await warmUp(columns);
    plain(columns);
  }
  const boxed: T[] = [];
  const plainUs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    boxed.push(await measure(columns));
    plainUs.push(plainMicrosPerStep(plain, columns, ms));
  }
  return { boxed, plainUs: median(plainUs) };
}

function plainBatches(): Plain {
  const context = { state: runningMean.state!({}), config: {} };
  const handler = runningMean.readings as unknown as (batch: object, context: object) => void;
  return (columns) => handler({ ...columns, count: columns.index.length }, context);
}

function plainReadings(): Plain {
  const context = { state: runningMeanSingle.state!({}), config: {} };
  const handler = runningMeanSingle.reading as unknown as (reading: object, context: object) => void;
  return (columns) => {
    for (const reading of readingsOf(columns)) handler(reading, context);
  };
}

function plainMicrosPerStep(step: Plain, columns: Columns, ms: number) {
  const began = performance.now();
  let steps = 0;
  do {
    for (let i = 0; i < 100; i++) step(columns);
    steps += 100;
  } while (performance.now() - began < ms);
  return ((performance.now() - began) * 1_000) / steps;
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
