import { UsageError } from '@weir/runtime';
import { CommanderError } from 'commander';

/** 0 ok, 1 failed, 2 misuse. */
const EXIT = { ok: 0, failed: 1, misuse: 2 } as const;

/** The world failed, not the caller; `remedy` is what may help. */
export class Failure extends Error {
  readonly remedy: string | undefined;

  constructor(message: string, remedy?: string) {
    super(message);
    this.name = 'Failure';
    this.remedy = remedy;
  }
}

/** Says what went wrong and what to do about it. @returns the exit code */
export function explain(error: unknown, write: (text: string) => void): number {
  // commander has said it already, in its own words.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.misuse;
  const { message, remedy, stack } = error as Failure;
  const known = error instanceof UsageError || error instanceof Failure;
  write(`weir: ${known ? message : (stack ?? message)}\n`);
  if (remedy !== undefined) write(`  ${remedy}\n`);
  return error instanceof UsageError ? EXIT.misuse : EXIT.failed;
}
