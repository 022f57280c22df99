/**
 * The sandbox without a process: the same text that an isolate runs before user code, in a context of `node:vm`.
 * It isolates nothing, and need not: a simulation runs functions of its own.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { createContext, Script } from 'node:vm';
import type { Outcome, Sandbox } from '@weir/runtime';
import type { Dice } from './dice.ts';
import type { Life } from './life.ts';

type Unit = Parameters<Sandbox['load']>[0];
type StepRequest = Parameters<Sandbox['step']>[1];

interface Inside {
  adopt(code: string, config: string): string;
  step(head: string, arrays: ArrayBuffer | undefined, count: number): string;
}

const BOOTSTRAP = new Script(stripped(new URL('../../runtime/src/inside/bootstrap.ts', import.meta.url)));
const REFUSED = '{"refused":';
const READING_BYTES = 18;
const USAGE = { wallUs: 100, cpuUs: 100, heapBytes: 1_000_000 };

export interface SandboxFaults {
  /** Of steps before which the process dies of something else, and with it all that it had in memory. */
  restartShare: number;
}

export class SimulatedSandbox implements Sandbox {
  readonly pids = [];
  restarts = 0;
  readonly #life: Life;
  readonly #dice: Dice;
  readonly #faults: SandboxFaults;
  readonly #units = new Map<string, Inside>();

  constructor(life: Life, dice: Dice, faults: SandboxFaults) {
    this.#life = life;
    this.#dice = dice;
    this.#faults = faults;
  }

  async start(): Promise<void> {}

  load(unit: Unit): Promise<Outcome> {
    return this.#answerLater(() => this.#load(unit).outcome);
  }

  step(unit: Unit, request: StepRequest): Promise<Outcome> {
    return this.#answerLater(() => {
      if (this.#dice.chance(this.#faults.restartShare)) {
        this.restarts++;
        this.#units.clear();
      }
      const { outcome, inside } = this.#loaded(unit);
      if (inside === undefined) return outcome;
      const { columns, ...rest } = request;
      const head = columns && { columns: { series: columns.series, strings: columns.strings } };
      const text = inside.step(JSON.stringify({ ...rest, ...head }), arraysOf(columns), columns?.index.length ?? 0);
      return { kind: 'returned', text, usage: { ...USAGE } };
    });
  }

  drop(key: string): void {
    this.#units.delete(key);
  }

  isolation(): undefined {}

  async stop(): Promise<void> {
    this.#units.clear();
  }

  #answerLater(answer: () => Outcome): Promise<Outcome> {
    return this.#life.waitFor((resolve) => this.#life.later(this.#dice.exponential(0.5), () => resolve(answer())));
  }

  #loaded(unit: Unit): { outcome: Outcome; inside?: Inside } {
    const inside = this.#units.get(unit.key);
    return inside === undefined ? this.#load(unit) : { outcome: { kind: 'returned', text: '' }, inside };
  }

  #load({ key, code, config }: Unit): { outcome: Outcome; inside?: Inside } {
    const inside = BOOTSTRAP.runInContext(createContext({})) as Inside;
    const text = inside.adopt(code, config);
    if (text.startsWith(REFUSED)) {
      return { outcome: { kind: 'threw', message: (JSON.parse(text) as { refused: string }).refused } };
    }
    this.#units.set(key, inside);
    return { outcome: { kind: 'returned', text }, inside };
  }
}

/** As a frame carries them: ts, values, index. */
function arraysOf(columns: StepRequest['columns']): ArrayBuffer | undefined {
  if (columns === undefined || columns.index.length === 0) return undefined;
  const bytes = new Uint8Array(columns.index.length * READING_BYTES);
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of [columns.ts, columns.values, columns.index]) {
    bytes.set(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes.buffer;
}

/** Node says that this may change; it is our own text. */
function stripped(url: URL): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(readFileSync(url, 'utf8'));
  } finally {
    process.emitWarning = emitWarning;
  }
}
