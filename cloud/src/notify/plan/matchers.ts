/**
 * Matchers of labels, as Alertmanager has them.
 *
 *     device=gw1, alertname=~"oven.*"          {severity!="info", tag_site=""}
 *
 * All must match. A label that an alert does not have is empty. A pattern must match the whole value; it is RE2's syntax, whose time is
 * linear: no pattern can stop the hub.
 *
 * @see https://prometheus.io/docs/alerting/latest/configuration/#matcher
 */
import { UsageError } from '@weir/runtime';
import { RE2JS } from 're2js';
import { z } from 'zod';
import { type Labels, valuesOf } from '../labels.ts';

const OPERATORS = ['=~', '!~', '!=', '='] as const;

export interface Matcher {
  name: string;
  operator: (typeof OPERATORS)[number];
  value: string;
}

/** Of one list. */
const MATCHERS_MAX = 20;
const VALUE_CHARS_MAX = 500;
/** Patterns that were compiled; policies and silences have far fewer. */
const PATTERNS_MAX = 2_000;

const patterns = new Map<string, RE2JS>();

/** @throws {UsageError} `matcher-invalid` */
export function parseMatchers(text: string): Matcher[] {
  const matchers: Matcher[] = [];
  const trimmed = text.trim();
  const inner = trimmed.startsWith('{') && trimmed.endsWith('}') ? trimmed.slice(1, -1) : trimmed;
  for (let rest = inner.trim(); rest !== ''; ) {
    const [matcher, length] = first(rest, text);
    matchers.push(matcher);
    rest = rest.slice(length).trim();
    if (rest === '') break;
    if (!rest.startsWith(',')) throw invalid(text, `between two matchers there is a comma, not "${rest[0]}"`);
    rest = rest.slice(1).trim();
  }
  if (matchers.length === 0) throw invalid(text, 'it is empty');
  if (matchers.length > MATCHERS_MAX) throw invalid(text, `it has more than ${MATCHERS_MAX} matchers`);
  return matchers;
}

function first(rest: string, whole: string): [Matcher, number] {
  const head = /^([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*/.exec(rest);
  if (head === null) throw invalid(whole, `"${rest.slice(0, 30)}" is no label and operator (=, !=, =~, !~)`);
  const [found, name, operator] = head as unknown as [string, string, Matcher['operator']];
  const tail = rest.slice(found.length);
  const value = /^"((?:[^"\\]|\\.)*)"/s.exec(tail) ?? /^([^\s,{}"]*)/.exec(tail)!;
  const matcher = { name, operator, value: value[0].startsWith('"') ? unquoted(value[1]!) : value[1]! };
  if (tail.startsWith('"') && !value[0].startsWith('"')) throw invalid(whole, 'a quotation mark is not closed');
  if (matcher.value.length > VALUE_CHARS_MAX)
    throw invalid(whole, `a value has more than ${VALUE_CHARS_MAX} characters`);
  if (operator.endsWith('~')) verifyPattern(matcher.value, whole);
  return [matcher, found.length + value[0].length];
}

/** In quotation marks a backslash stands before `"`, `\` and for a new line before `n`; before all else it stands for itself. */
function unquoted(text: string): string {
  return text.replace(/\\(["\\n])/g, (_, char: string) => (char === 'n' ? '\n' : char));
}

function verifyPattern(pattern: string, whole: string): void {
  try {
    compiled(pattern);
  } catch (error) {
    throw invalid(whole, `"${pattern}" is no pattern: ${(error as Error).message}`);
  }
}

function compiled(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const made = RE2JS.compile(pattern, RE2JS.DOTALL);
  if (patterns.size < PATTERNS_MAX) patterns.set(pattern, made);
  return made;
}

function invalid(text: string, why: string): UsageError {
  return new UsageError(
    'matcher-invalid',
    `the matchers "${text.slice(0, 100)}" are not understood: ${why}`,
    `write e.g. device=gw1, alertname=~"oven.*"`,
  );
}

export function matches(matchers: readonly Matcher[], labels: Labels): boolean {
  return matchers.every((matcher) => matchesOne(matcher, labels));
}

function matchesOne({ name, operator, value }: Matcher, labels: Labels): boolean {
  const values = valuesOf(labels, name);
  switch (operator) {
    case '=':
      return values.includes(value);
    case '!=':
      return !values.includes(value);
    case '=~':
      return values.some((each) => compiled(value).matches(each));
    case '!~':
      return !values.some((each) => compiled(value).matches(each));
  }
}

export function formatMatchers(matchers: readonly Matcher[]): string {
  return matchers.map(({ name, operator, value }) => `${name}${operator}${JSON.stringify(value)}`).join(', ');
}

/** A text as it is written; matchers come out. */
export const matchersSchema = z
  .string()
  .max(4_000)
  .transform((text, context) => {
    try {
      return parseMatchers(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });
