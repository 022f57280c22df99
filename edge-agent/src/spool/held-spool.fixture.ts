/** A spool in memory, whose answers a test can hold back or turn into failures. */

import { openInMemory } from './spool.fixture.ts';
import type { Spool } from './spool.ts';

type Ops = ReturnType<typeof openInMemory>;
type Call = { name: string; run: () => void };

export class HeldSpool implements Spool {
  readonly ops: Ops;
  /** Names of operations that wait for `release`. */
  readonly held = new Set<string>();
  /** Names of operations that fail, as on a full disk. */
  readonly failing = new Set<string>();
  #waiting: Call[] = [];

  constructor(options: Parameters<typeof openInMemory>[0] = {}) {
    this.ops = openInMemory(options);
  }

  get waiting(): string[] {
    return this.#waiting.map(({ name }) => name);
  }

  call = ((name: keyof Ops, ...args: unknown[]) =>
    new Promise((resolve, reject) => {
      const run = () => {
        if (this.failing.has(name)) return reject(new Error('database or disk is full'));
        try {
          const operation = this.ops[name] as (...args: unknown[]) => unknown;
          resolve(structuredClone(operation(...structuredClone(args))) as never);
        } catch (error) {
          reject(error as Error);
        }
      };
      if (this.held.has(name)) this.#waiting.push({ name, run });
      else queueMicrotask(run);
    })) as Spool['call'];

  /** Lets everything go that waits. */
  release(): void {
    for (const { run } of this.#waiting.splice(0)) run();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
