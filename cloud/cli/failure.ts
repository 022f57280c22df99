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

/** Asked for something that cannot be. */
export class Misuse extends Error {
  readonly remedy: string | undefined;
  /** The hub's, when it was the hub that refused. */
  readonly code: string | undefined;

  constructor(message: string, remedy?: string, code?: string) {
    super(message);
    this.name = 'Misuse';
    this.remedy = remedy;
    this.code = code;
  }
}

/** Says what went wrong and what to do about it. @returns the exit code */
export async function explain(error: unknown, write: (text: string) => void): Promise<number> {
  // commander has said it already, in its own words.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.misuse;
  const misuse = error instanceof Misuse || (await isUsageError(error));
  const { message, remedy, stack } = error as Failure;
  const known = misuse || error instanceof Failure;
  write(`weir: ${known ? message : (stack ?? message)}\n`);
  if (remedy !== undefined) write(`  ${remedy}\n`);
  return misuse ? EXIT.misuse : EXIT.failed;
}

/** The hub and the builder of bundles throw these. Loaded only now: most commands answer sooner without the runtime. */
async function isUsageError(error: unknown): Promise<boolean> {
  if (error instanceof Failure) return false;
  const { UsageError } = await import('@weir/runtime');
  return error instanceof UsageError;
}
