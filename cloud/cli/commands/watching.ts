/** Does something again whenever a file changes. */
import { watch } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Failure, Misuse } from '../failure.ts';
import type { Session } from '../session.ts';

/** An editor writes a file in several goes. */
const SETTLE_MS = 100;

export interface WatchOptions {
  /** Watched as a whole: what a file imports is not known when bundling fails. */
  folders: Iterable<string>;
  /** Names of files that do not count. */
  ignored: RegExp;
  ended: AbortSignal;
}

/** Runs, waits for a change, and runs again; what goes wrong is told and waited out. */
export async function watching(
  session: Session,
  { folders, ignored, ended }: WatchOptions,
  once: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  let changed = Promise.withResolvers<string>();
  const watchers = [...new Set(folders)].map((folder) =>
    watch(folder, (_event, name) => {
      if (name !== null && !ignored.test(name)) changed.resolve(basename(name));
    }),
  );
  const interrupted = new Promise<undefined>((done) => {
    if (ended.aborted) done(undefined);
    ended.addEventListener('abort', () => done(undefined));
  });
  try {
    while (!ended.aborted) {
      changed = Promise.withResolvers<string>();
      const superseded = new AbortController();
      const signal = AbortSignal.any([ended, superseded.signal]);
      const running = once(signal).catch((error: unknown) => tell(session, error));
      session.note('Watching for changes. Ctrl-C ends it.\n');
      const name = await Promise.race([changed.promise, interrupted]);
      superseded.abort();
      await running;
      if (name === undefined) return;
      await setTimeout(SETTLE_MS);
      session.note(`\n${name} has changed\n`);
    }
  } finally {
    for (const each of watchers) each.close();
  }
}

async function tell(session: Session, error: unknown): Promise<void> {
  const { UsageError } = await import('@weir/runtime');
  const known = error instanceof Misuse || error instanceof Failure || error instanceof UsageError;
  if (!known) throw error;
  session.note(`${error.message}\n${error.remedy === undefined ? '' : `  ${error.remedy}\n`}`);
}
