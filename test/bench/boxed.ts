/** The functions of the bench in a sandbox, driven as fold hosts drive them. */
import { fileURLToPath } from 'node:url';
import { type Columns, columnsOf } from '@weir/protocols';
import { buildFunctionBundle, type Outcome, type Sandbox } from '@weir/runtime';
import { median } from './bench.ts';

const SENSORS = 4;
/** Of the handler in one step: enough that the step around it is a small part of the whole. */
const CALLS = 400;

export type Step = (columns: Columns) => Promise<NonNullable<Outcome['usage']>>;

export async function codeOf(name: string): Promise<string> {
  const file = fileURLToPath(new URL(`./functions/${name}.ts`, import.meta.url));
  const { bundle } = await buildFunctionBundle(file);
  if (bundle.kind !== 'function') throw new Error(`${file} is no function`);
  return bundle.code;
}

export function batchOf(count: number): Columns {
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

/** Steps of one function for one device, each from the state of the one before. */
export function stepsIn(box: Sandbox, code: string, key: string, device = 'bench', config: object = {}): Step {
  const unit = { key, code, config: JSON.stringify(config), timeoutMs: 1_000, memoryMb: 64 };
  let revision = 0;
  return async (columns) => {
    const request = { instance: device, revision, device, seed: 1, receivedAt: 0, columns };
    const outcome = await box.step(unit, revision === 0 ? { ...request, states: [] } : request);
    if (outcome.kind !== 'returned') throw new Error(`${outcome.kind}: ${outcome.message}`);
    revision++;
    return outcome.usage!;
  };
}

/** What a step takes when each waits for the one before, and what of it the isolate takes. */
export async function oneAtATime(step: Step, columns: Columns, ms: number): Promise<{ us: number; isolateUs: number }> {
  const began = performance.now();
  let steps = 0;
  let isolateUs = 0;
  do {
    isolateUs += (await step(columns)).cpuUs;
    steps++;
  } while (performance.now() - began < ms);
  return { us: ((performance.now() - began) * 1_000) / steps, isolateUs: isolateUs / steps };
}

/** What a step takes when several devices have one under way. */
export async function inFlight(steps: readonly Step[], columns: Columns, ms: number): Promise<number> {
  const began = performance.now();
  let done = 0;
  const drive = async (step: Step) => {
    do {
      await step(columns);
      done++;
    } while (performance.now() - began < ms);
  };
  await Promise.all(steps.map(drive));
  return ((performance.now() - began) * 1_000) / done;
}

/** What the handler itself takes within the isolate, over a batch that is there: without the step around it. */
export async function handlerInside(box: Sandbox, columns: Columns, steps: number): Promise<number> {
  const code = await codeOf('running-mean-repeated');
  const cpuUs = async (calls: number) => {
    const step = stepsIn(box, code, `repeated-${calls}`, 'bench', { calls });
    const seen: number[] = [];
    for (let i = 0; i < steps; i++) seen.push((await step(columns)).cpuUs);
    return median(seen);
  };
  return ((await cpuUs(CALLS + 1)) - (await cpuUs(1))) / CALLS;
}
