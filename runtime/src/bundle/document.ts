/** What people write in YAML or JSON, checked: what is wrong with it is said with its line. */
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { z } from 'zod';
import { UsageError } from '../errors.ts';

/**
 * @param kind what it is, first word of the error's code
 * @throws {UsageError} `<kind>-unreadable`, `<kind>-invalid` with the line
 */
export async function readDocument<T extends z.ZodType>(kind: string, schema: T, file: string): Promise<z.output<T>> {
  let text: string;
  try {
    text = await readFile(resolve(file), 'utf8');
  } catch (cause) {
    const what = `${file} cannot be read: ${(cause as Error).message}`;
    throw new UsageError(`${kind}-unreadable`, what, undefined, { cause });
  }
  const { LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const refuse = (line: number, what: string) =>
    new UsageError(`${kind}-invalid`, `${basename(file)}:${line}: ${what}`);
  const flaw = document.errors[0];
  if (flaw !== undefined) throw refuse(lines.linePos(flaw.pos[0]).line, flaw.message);
  const parsed = schema.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]!.path as (string | number)[];
  throw refuse(lineOf(path), firstIssue(parsed.error));

  /** Of what is missing, the line of what it is missing from. */
  function lineOf(path: readonly (string | number)[]): number {
    const node = document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    if (node?.range !== undefined) return lines.linePos(node.range[0]).line;
    return path.length === 0 ? 1 : lineOf(path.slice(0, -1));
  }
}

export function firstIssue(error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return path.length > 0 ? `${path.join('.')}: ${message}` : message;
}
