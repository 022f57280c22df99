import { columnsOf } from '@weir/protocols';
import type { KeptState, Unit } from './protocol.ts';
import type { Outcome, Sandbox } from './sandbox.ts';

const columns = columnsOf([{ sensor: 's', metric: 'm', value: 1, ts: 5_000 }]);

interface Answer {
  states: [string, KeptState][];
  outputs: { value: number }[];
}

/** A function that counts its steps beside hostile ones, driven as a fold host does. */
export class Neighbour {
  #sandbox: Sandbox;
  #unit: Unit;
  #counted = 0;
  #states: [string, KeptState][] = [];

  constructor(sandbox: Sandbox, name: string) {
    this.#sandbox = sandbox;
    const reading = 'ctx.state.n = (ctx.state.n ?? 0) + 1; ctx.emit({ metric: "n", value: ctx.state.n })';
    const code = `globalThis.__weirDefinition = { name: 'neighbour', version: '1', reading(r, ctx) { ${reading} } }`;
    this.#unit = { key: `neighbour-${name}`, code, config: '{}', timeoutMs: 2_000, memoryMb: 32 };
  }

  /** Counts on. @throws {Error} when a step is lost, repeated or fails */
  async count(steps: number): Promise<void> {
    for (let i = 0; i < steps; i++) {
      const request = {
        instance: 'd',
        revision: this.#counted,
        states: this.#states,
        device: 'd',
        seed: 1,
        receivedAt: 0,
        columns,
      };
      const outcome = await this.#sandbox.step(this.#unit, request);
      if (outcome.kind !== 'returned') throw new Error(`the neighbour was told ${outcome.kind}: ${outcome.message}`);
      const { states, outputs } = JSON.parse(outcome.text) as Answer;
      this.#counted++;
      if (outputs[0]?.value !== this.#counted) {
        throw new Error(`the neighbour counted ${outputs[0]?.value} instead of ${this.#counted}`);
      }
      this.#states = states;
    }
  }
}

/** An outcome with what a host would make of its text. */
export function shownOutcome(outcome: Outcome): string {
  if (outcome.kind !== 'returned') return outcome.kind;
  try {
    const answer = JSON.parse(outcome.text) as { failed?: unknown };
    return typeof answer === 'object' && answer !== null && typeof answer.failed === 'boolean'
      ? answer.failed
        ? 'failed'
        : 'returned'
      : 'damaged';
  } catch {
    return 'damaged';
  }
}
