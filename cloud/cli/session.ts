import { homedir } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { HubClient } from './client.ts';
import { Misuse } from './failure.ts';
import { findHub, hubDataOf } from './find-hub.ts';
import { keyFolder } from './keys/folder.ts';
import { KeyStore } from './keys/key-store.ts';
import type { Terminal } from './keys/passphrase.ts';
import { table } from './table.ts';

/** What a command works with: the hub, and the terminal. */
export interface Session {
  hub(): HubClient;
  out(text: string): void;
  /** For people only: what a script would not want in its input. */
  note(text: string): void;
  /** Of whoever types. */
  keys(): KeyStore;
  terminal: Terminal;
}

export function createSession(program: Command): Session {
  return {
    hub: () => new HubClient(findHub(program.opts<{ hubData?: string }>().hubData, process.env)),
    out: (text) => void process.stdout.write(text),
    note: (text) => void process.stderr.write(text),
    keys: () => {
      const hubData = hubDataOf(program.opts<{ hubData?: string }>().hubData, process.env);
      return new KeyStore(keyFolder({ env: process.env, home: homedir(), hubData }));
    },
    terminal: { env: process.env, input: process.stdin, write: (text) => void process.stderr.write(text) },
  };
}

/** A listing: JSON for programs, a table for people, or one line that says there is nothing. */
export function listing<T>(
  session: Session,
  options: { json?: boolean },
  items: readonly T[],
  shown: {
    empty: string;
    heading: readonly string[];
    row: (item: T) => readonly string[];
    /** @see table */
    texts?: readonly number[];
    widthMax?: number;
  },
): void {
  if (options.json) session.out(`${JSON.stringify(items, null, 2)}\n`);
  else if (items.length === 0) session.note(`${shown.empty}\n`);
  else session.out(table(shown.heading, items.map(shown.row), shown.texts, shown.widthMax));
}

/** Follows the help text of a command; `lines` as one would type them, each with what it does. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

/** A command that only holds others; asked for nothing it says what there is, and fails. */
export function family(name: string, description: string): Command {
  return new Command(name).description(description);
}

export function wholeNumber(text: string): number {
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n < 0) throw new InvalidArgumentError('a whole number is wanted.');
  return n;
}

const PORT_MAX = 65_535;

export function portNumber(text: string): number {
  const n = wholeNumber(text);
  if (n > PORT_MAX) throw new InvalidArgumentError(`a port from 1 to ${PORT_MAX} is wanted, or 0 for a free one.`);
  return n;
}

export function oneOf<T extends string>(...choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new InvalidArgumentError(`one of ${choices.join(', ')} is wanted.`);
    return found;
  };
}

/** An option that may be given several times. */
export function several(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** Splits `key=value`. */
export function pair(text: string, what: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new Misuse(`${what} is given as key=value; found "${text}"`, 'e.g. limit=80');
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Path segments are user input. */
export function path(strings: TemplateStringsArray, ...parts: readonly string[]): string {
  return String.raw({ raw: strings }, ...parts.map(encodeURIComponent));
}
