import {
  type Bundle,
  columnsOf,
  FUNCTION_API,
  manifestSchema,
  type Reading,
  readingsOf,
  ruleSchema,
} from '@weir/protocols';
import { createSandbox, type Sandbox } from '../sandbox/sandbox.ts';
import { userState } from '../trace/run-trace.ts';
import type { Deployed, Fault, FoldEvent, StepOutput } from './fold.ts';
import { createFoldHost } from './host.ts';
import type { FoldHostOptions } from './host-options.ts';

export const T0 = 1_700_000_000_000;

/** Of the file that has started it: files may share a process. */
export let sandbox: Sandbox;

export async function startSandbox(): Promise<void> {
  sandbox = createSandbox();
  await sandbox.start();
}

/** As bundling makes it: the isolate itself tells what the function handles. */
export async function functionOf(name: string, body: string, version = '1'): Promise<Deployed> {
  const code = `globalThis.__weirDefinition = { name: '${name}', version: '${version}', ${body} };`;
  const told = await sandbox.load({ key: `${name}:${code}`, code, config: '{}', timeoutMs: 1_000, memoryMb: 64 });
  if (told.kind !== 'returned') throw new Error(told.message);
  const fields = JSON.parse(told.text);
  const manifest = manifestSchema.parse({
    inputs: [],
    schedules: [],
    memoryMb: 64,
    ...fields,
    api: FUNCTION_API,
    // Ample: what must work has to work on a busy machine too.
    timeoutMs: fields.timeoutMs ?? 5_000,
  });
  const bundle: Bundle = { weir: 1, kind: 'function', manifest, code };
  return { name, bundle, hash: `${name}:${code}`, config: {} };
}

export function ruleOf(name: string, rule: object): Deployed {
  const bundle: Bundle = { weir: 1, kind: 'rule', rule: ruleSchema.parse({ name, ...rule }) };
  return { name, bundle, hash: JSON.stringify(rule), config: {} };
}

/** `[second, value, sensor?]`; the metric is `temperature`. */
export type Sample = [second: number, value: number, sensor?: string];

/** A host whose owner commits every step, and may be restarted in between. */
export class KeptHost {
  readonly states = new Map<string, string>();
  readonly faults: Fault[] = [];
  readonly waits: number[] = [];
  #options: FoldHostOptions;
  #deployed: readonly Deployed[] = [];
  #host;
  #at = 0;

  constructor(options: Partial<FoldHostOptions> = {}) {
    const wait = async (ms: number) => void this.waits.push(ms);
    this.#options = { device: 'gw1', sandbox, onFault: (fault) => this.faults.push(fault), wait, ...options };
    this.#host = createFoldHost(this.#options);
  }

  async deploy(...deployed: Deployed[]): Promise<StepOutput> {
    this.#deployed = deployed;
    return this.#keep(await this.#host.deploy(deployed, this.states, `${++this.#at}`, T0));
  }

  async restart(): Promise<void> {
    this.#host.dispose();
    this.#host = createFoldHost(this.#options);
    await this.deploy(...this.#deployed);
  }

  /** They arrive at their own time. */
  step(...samples: Sample[]): Promise<StepOutput> {
    return this.stepAt(Math.max(...samples.map(([second]) => second)), ...samples);
  }

  stepAt(receivedAt: number, ...samples: Sample[]): Promise<StepOutput> {
    return this.#step({ receivedAt: T0 + receivedAt * 1_000 }, samples);
  }

  stepOf(device: string, ...samples: Sample[]): Promise<StepOutput> {
    return this.#step({ receivedAt: T0, device }, samples);
  }

  async #step(place: { receivedAt: number; device?: string }, samples: readonly Sample[]): Promise<StepOutput> {
    const readings = samples.map(([second, value, sensor = 's']): Reading => {
      return { sensor, metric: 'temperature', value, ts: T0 + second * 1_000 };
    });
    const input = { position: `${++this.#at}`, ...place, columns: columnsOf(readings) };
    return this.#keep(await this.#host.step(input));
  }

  /** @param arrivedUntil up to when everything was stepped over; default: now */
  async tick(second: number, arrivedUntil = second): Promise<StepOutput> {
    return this.#keep(await this.#host.tick(T0 + second * 1_000, `${++this.#at}`, T0 + arrivedUntil * 1_000));
  }

  /** The clock is set on by so many seconds, as it stands at `second`; what was before `from` was right. */
  moveTime(from: number, shift: number, second: number): StepOutput {
    const move = { from: T0 + from * 1_000, shift: shift * 1_000, now: T0 + (second + shift) * 1_000 };
    return this.#keep(this.#host.moveTime(move));
  }

  async event(event: FoldEvent, second = 0): Promise<StepOutput | undefined> {
    const output = await this.#host.event(event, `${++this.#at}`, T0 + second * 1_000);
    return output && this.#keep(output);
  }

  status(name: string) {
    return this.#host.status().find((each) => each.name === name)!;
  }

  state(name: string): unknown {
    const json = this.states.get(name);
    return json === undefined ? undefined : userState(json);
  }

  #keep(output: StepOutput): StepOutput {
    for (const { fold, json } of output.states) {
      if (json === null) this.states.delete(fold);
      else this.states.set(fold, json);
    }
    return output;
  }
}

/** `metric value`, and the second at which it was emitted where that matters. */
export function emitted(output: StepOutput | undefined): string[] {
  return output === undefined ? [] : [...readingsOf(output.emitted)].map(({ metric, value }) => `${metric} ${value}`);
}

export function logged(output: StepOutput | undefined): string[] {
  return output?.logs.map(({ text }) => text) ?? [];
}
