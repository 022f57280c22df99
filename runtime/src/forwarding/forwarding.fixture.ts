import {
  type Bundle,
  columnsOf,
  type ForwardingInput,
  forwardingSchema,
  type Reading,
  readingsOf,
} from '@weir/protocols';
import { sandbox } from '../fold/fold.fixture.ts';
import type { Deployed, StepOutput } from '../fold/fold.ts';
import { createFoldHost } from '../fold/host.ts';
import type { TimeMove } from '../fold/move-time.ts';

export function policyOf(name: string, ...forward: ForwardingInput['forward']): Deployed {
  const bundle: Bundle = { weir: 1, kind: 'forwarding', forwarding: forwardingSchema.parse({ name, forward }) };
  return { name, bundle, hash: JSON.stringify(forward), config: {} };
}

/** A device whose owner commits every step, and may be restarted in between. */
export class Gateway {
  readonly states = new Map<string, string>();
  /** What the hub gets, in order. */
  readonly sent: Reading[] = [];
  /** Keys of the states that each step has written. */
  written: string[] = [];
  #deployed: readonly Deployed[] = [];
  #host = createFoldHost({ device: 'gw1', sandbox });
  #at = 0;

  async deploy(...deployed: Deployed[]): Promise<StepOutput> {
    this.#deployed = deployed;
    return this.#keep(await this.#host.deploy(deployed, this.states, `${++this.#at}`, 0), []);
  }

  async restart(): Promise<void> {
    this.#host.dispose();
    this.#host = createFoldHost({ device: 'gw1', sandbox });
    await this.deploy(...this.#deployed);
  }

  /** @param receivedAt default: the newest time */
  async step(readings: Reading[], receivedAt = Math.max(...readings.map(({ ts }) => ts))): Promise<StepOutput> {
    const input = { position: `${++this.#at}`, receivedAt, columns: columnsOf(readings) };
    return this.#keep(await this.#host.step(input), readings);
  }

  async tick(now: number): Promise<StepOutput> {
    return this.#keep(await this.#host.tick(now, `${++this.#at}`, now), []);
  }

  moveTime(move: TimeMove): StepOutput {
    return this.#keep(this.#host.moveTime(move), []);
  }

  forwarding(name: string) {
    return this.#host.status().find((each) => each.name === name)!.forwarding!;
  }

  /** `metric value`, and forgets it. */
  take(): string[] {
    return this.sent.splice(0).map(({ metric, value }) => `${metric} ${value}`);
  }

  #keep(output: StepOutput, input: readonly Reading[]): StepOutput {
    const { places, readings } = output.forwarded ?? { readings: [output.emitted] };
    this.sent.push(...(places === undefined ? input : [...places].map((at) => input[at]!)));
    for (const columns of readings) for (const reading of readingsOf(columns)) this.sent.push(reading);
    this.written = output.states.map(({ fold }) => fold);
    for (const { fold, json } of output.states) {
      if (json === null) this.states.delete(fold);
      else this.states.set(fold, json);
    }
    return output;
  }
}
