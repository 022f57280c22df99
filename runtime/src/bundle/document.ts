/** What people write in YAML or JSON, checked: what is wrong with it is said with its line. */
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { inWords, pathOf } from '@weir/protocols';
import type { ErrorCode } from 'yaml';
import type { z } from 'zod';
import { UsageError } from '../errors.ts';

/** More at once are noise: with these mended, the rest is looked at again. */
const ISSUES_MAX = 8;

/**
 * @param kind what it is, first word of the error's code
 * @throws {UsageError} `<kind>-unreadable`, `<kind>-invalid` with line and column of each mistake
 */
export async function readDocument<T extends z.ZodType>(kind: string, schema: T, file: string): Promise<z.output<T>> {
  const document = await parsedFile(kind, file);
  const parsed = schema.safeParse(document.value, { error: inWords });
  if (parsed.success) return parsed.data;
  throw new UsageError(`${kind}-invalid`, issuesAt(parsed.error, document));
}

/** What says where things are that somebody wrote. */
interface Places {
  offsetOf(path: readonly (string | number)[]): number;
  placeOf(offset: number): string | undefined;
}

/** Each on a line of its own, in the order in which they are written. @param file named where there is no place */
export function issuesAt(error: z.ZodError, places: Places, file?: string): string {
  const issues = error.issues
    .map((issue) => ({ path: pathOf(issue), message: issue.message }))
    .map(({ path, message }) => ({ at: places.offsetOf(path), text: textOf(path, message) }))
    .sort((a, b) => a.at - b.at);
  const left = issues.length - ISSUES_MAX;
  const lines = issues.slice(0, ISSUES_MAX).map(({ at, text }) => `${places.placeOf(at) ?? file}: ${text}`);
  return [...lines, ...(left > 0 ? [`and ${left} more`] : [])].join('\n');
}

interface Document {
  value: unknown;
  /** Where its key begins, in a list the value; of what is missing, what it is missing from. */
  offsetOf(path: readonly (string | number)[]): number;
  /** `oven.yaml:3:8` */
  placeOf(offset: number): string;
}

async function parsedFile(kind: string, file: string): Promise<Document> {
  let text: string;
  try {
    text = await readFile(resolve(file), 'utf8');
  } catch (cause) {
    const what = `${file} cannot be read: ${(cause as Error).message}`;
    throw new UsageError(`${kind}-unreadable`, what, undefined, { cause });
  }
  const { isMap, isScalar, LineCounter, parseDocument, visit } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const placeOf = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${basename(file)}:${line}:${col}`;
  };
  const refuse = (offset: number, what: string) => new UsageError(`${kind}-invalid`, `${placeOf(offset)}: ${what}`);
  const flaw = document.errors[0];
  if (flaw !== undefined) throw refuse(flaw.pos[0], FLAWS[flaw.code]?.(kind) ?? flaw.message);
  const offsetOf = (path: readonly (string | number)[]): number => {
    if (path.length === 0) return document.contents?.range?.[0] ?? 0;
    const owner = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const pair = isMap(owner) ? owner.items.find(({ key }) => isScalar(key) && key.value === path.at(-1)) : undefined;
    const { range } = (pair?.key ?? document.getIn(path, true) ?? {}) as { range?: [number, number, number] };
    return range?.[0] ?? offsetOf(path.slice(0, -1));
  };
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Of what stands for something else: it is not there, or there is far too much of it.
    visit(document, {
      Alias(_, alias) {
        if (alias.resolve(document) !== undefined) return;
        throw refuse(
          alias.range?.[0] ?? 0,
          `*${alias.source} stands for nothing: a text with a * in front needs quotes`,
        );
      },
    });
    throw refuse(0, (error as Error).message);
  }
  return { value, offsetOf, placeOf };
}

/** What the parser says in words of its own. */
const FLAWS: Partial<Record<ErrorCode, (kind: string) => string>> = {
  MULTIPLE_DOCS: (kind) => `a file has one ${kind}: put what is below --- into a file of its own`,
  DUPLICATE_KEY: () => 'this key is there twice: which of them counts?',
  TAB_AS_INDENT: () => 'a tab: lines are indented by spaces',
};

export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]!;
  return textOf(pathOf(issue), issue.message);
}

function textOf(path: readonly (string | number)[], message: string): string {
  return path.length > 0 ? `${path.join('.')}: ${message}` : message;
}
