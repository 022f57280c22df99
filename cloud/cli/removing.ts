/** What the commands that take something away have in common. */
import type { Command } from 'commander';
import { Misuse } from './failure.ts';
import type { Session } from './session.ts';

export interface RemoveOptions {
  ifExists?: boolean;
  json?: boolean;
}

export function withRemoveOptions(command: Command): Command {
  return command
    .option('--if-exists', 'when it is not there, that is no failure: for scripts that run twice')
    .option('--json', 'print JSON');
}

/**
 * What is not there cannot be removed: a name that is misspelt must not look like one that is gone. Who says
 * `--if-exists` wants it gone however that came about.
 *
 * @param what as the JSON has it, beside `removed`
 * @param remove asks the hub for it
 * @param gone said to people
 * @throws {Misuse} when it is not there
 */
export async function removeFrom(
  session: Session,
  { ifExists = false, json = false }: RemoveOptions,
  { what, remove, gone }: { what: object; remove: () => Promise<unknown>; gone: string },
): Promise<void> {
  let absent: string | undefined;
  try {
    await remove();
  } catch (error) {
    if (!ifExists || !isAbsence(error)) throw error;
    absent = error.message;
  }
  if (json) session.out(`${JSON.stringify({ ...what, removed: absent === undefined }, null, 2)}\n`);
  else session.note(absent === undefined ? `${gone}\n` : `Nothing to remove: ${absent}\n`);
}

/** A hub that does not know the request is not one that does not know the thing. */
function isAbsence(error: unknown): error is Misuse {
  return error instanceof Misuse && error.code !== 'route-unknown' && error.code?.endsWith('-unknown') === true;
}
