/** What a function is asked to do, one thing after another: whoever is told of all of it can have another do the same. */
import type { Columns } from '@weir/protocols';
import { deliver } from './events.ts';
import type { FoldEvent, Usage } from './fold.ts';
import type { FunctionFold } from './function-fold.ts';
import type { TimeMove } from './move-time.ts';
import type { FunctionOutput } from './outputs.ts';
import type { InputPlace } from './step-content.ts';

export type FoldCall =
  | { kind: 'step'; columns: Columns; place: InputPlace }
  | { kind: 'tick'; now: number; position: string; arrivedUntil: number }
  | { kind: 'event'; event: FoldEvent; place: InputPlace }
  | { kind: 'time'; move: TimeMove };

/** Of one call. */
export interface CallMade {
  /** Undefined: it had nothing to do with it. */
  output: FunctionOutput | undefined;
  errors: number;
  cpuMs: number;
}

/** Told of all that some functions are asked to do, in this order, and of what they made of it. */
export interface Witness {
  watches(name: string): boolean;
  saw(name: string, call: FoldCall, made: CallMade): void;
}

export async function runCall(fn: FunctionFold, call: FoldCall): Promise<FunctionOutput | undefined> {
  switch (call.kind) {
    case 'step':
      return fn.step(call.columns, call.place);
    case 'tick':
      return fn.tick(call.now, call.position, call.arrivedUntil);
    case 'event':
      return deliver(fn, call.event, call.place);
    case 'time':
      fn.moveTime(call.move);
      return undefined;
  }
}

export async function madeOf(fn: FunctionFold, call: FoldCall): Promise<CallMade> {
  const before = { ...fn.usage };
  const output = await runCall(fn, call);
  return { output, ...costSince(before, fn.usage) };
}

function costSince(before: Usage, now: Usage): Pick<CallMade, 'errors' | 'cpuMs'> {
  return { errors: now.errors - before.errors, cpuMs: now.cpuMs - before.cpuMs };
}

const NOTHING_MADE: CallMade = { output: undefined, errors: 0, cpuMs: 0 };

/** Has functions do what they are asked to, before the witness if there is one. */
export class Witnessed {
  readonly #witness: Witness | undefined;

  constructor(witness: Witness | undefined) {
    this.#witness = witness;
  }

  watches(fn: FunctionFold | undefined): fn is FunctionFold {
    return fn !== undefined && this.#witness?.watches(fn.manifest.name) === true;
  }

  async call(fn: FunctionFold, call: FoldCall): Promise<FunctionOutput | undefined> {
    if (!this.watches(fn)) return runCall(fn, call);
    const made = await madeOf(fn, call);
    this.#witness!.saw(fn.manifest.name, call, made);
    return made.output;
  }

  /** This one is not asked; the other version may have something to do with it. */
  pass(fn: FunctionFold | undefined, call: FoldCall): void {
    if (this.watches(fn)) this.#witness!.saw(fn.manifest.name, call, NOTHING_MADE);
  }
}
