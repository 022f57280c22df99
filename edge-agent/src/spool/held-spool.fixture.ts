/** A spool in memory, whose answers a test can hold back or turn into failures. */
import { DatabaseSync } from 'node:sqlite';
import { SqliteError } from '@weir/runtime';
import { open } from './operations.ts';
import { SPOOL_OPTIONS } from './spool.fixture.ts';
import type { Spool } from './spool.ts';

type Ops = ReturnType<typeof open>;
type Call = { name: string; run: () => void };

export class HeldSpool implements Spool {
  /** For what a card does by itself. */
  readonly db = new DatabaseSync(':memory:');
  readonly ops: Ops;
  /** Names of operations that wait for `release`. */
  readonly held = new Set<string>();
  /** Names of operations that fail, as on a full disk. */
  readonly failing = new Set<string>();
  /** Names of operations that fail as on a disk that cannot be read just now. */
  readonly unreadable = new Set<string>();
  /** Names of operations that are done, and answered as if the disk had failed: a sync after them did. */
  readonly unsynced = new Set<string>();
  #waiting: Call[] = [];

  constructor(options: Partial<typeof SPOOL_OPTIONS> = {}) {
    this.ops = open(this.db, { ...SPOOL_OPTIONS, ...options });
  }

  get waiting(): string[] {
    return this.#waiting.map(({ name }) => name);
  }

  call = ((name: keyof Ops, ...args: unknown[]) =>
    new Promise((resolve, reject) => {
      const run = () => {
        if (this.unreadable.has(name)) return reject(new SqliteError('io', 'disk I/O error'));
        if (this.failing.has(name)) return reject(new Error('database or disk is full'));
        try {
          const operation = this.ops[name] as (...args: unknown[]) => unknown;
          const answer = structuredClone(operation(...structuredClone(args)));
          if (this.unsynced.has(name)) return reject(new SqliteError('io', 'disk I/O error'));
          resolve(answer as never);
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

  /** What waits is never done: who asked for it is gone. */
  forget(): void {
    this.#waiting = [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
