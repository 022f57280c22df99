/**
 * Which devices, by their tags; the grammar is that of Kubernetes' label selectors.
 *
 *     selector     '*' | requirement { ',' requirement }             all of them must hold; `*`: every device
 *     requirement  key | '!' key                                     has the tag, has it not
 *                | key ( '=' | '==' | '!=' ) value
 *                | key ( 'in' | 'notin' ) '(' value { ',' value } ')'
 *     value        bare word | "JSON string"                         quoted where it has other characters than names have
 *
 * `!=` and `notin` hold also where the tag is missing.
 *
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
import { NAME_PATTERN } from './reading.ts';

export type Tags = Readonly<Record<string, string>>;

export type Requirement =
  | { key: string; is: 'there' }
  | { key: string; is: 'absent' }
  /** `values`: one at least. */
  | { key: string; is: 'in'; values: readonly string[] }
  | { key: string; is: 'not-in'; values: readonly string[] };

/** Empty: every device. */
export type Selector = readonly Requirement[];

/** What a person writes by hand, and what 256 groups keep in one item of a store. */
export const SELECTOR_CHARS_MAX = 1_000;
export const TAG_CHARS_MAX = 256;

export class SelectorError extends Error {
  /** Index of the character at which it cannot go on; the length of the text where something is missing. */
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message} at character ${position + 1}`);
    this.name = 'SelectorError';
    this.position = position;
  }
}

interface Token {
  kind: 'word' | 'text' | 'sign' | 'end';
  text: string;
  position: number;
}

const SPACE = /\s/;
const WORD = /[A-Za-z0-9._:-]/;
const SIGNS = ['==', '!=', '=', '!', ',', '(', ')', '*'];

/** @throws {SelectorError} */
export function parseSelector(text: string): Selector {
  if (text.length > SELECTOR_CHARS_MAX) {
    throw new SelectorError(`a selector has ${SELECTOR_CHARS_MAX} characters at most; too long`, SELECTOR_CHARS_MAX);
  }
  const cursor = new Cursor(tokensOf(text));
  if (cursor.skip('*')) {
    cursor.requireEnd('nothing behind *');
    return [];
  }
  const found = [requirementAt(cursor)];
  while (cursor.skip(',')) found.push(requirementAt(cursor));
  cursor.requireEnd('"," or an operator (=, !=, in, notin)');
  return found;
}

function requirementAt(cursor: Cursor): Requirement {
  if (cursor.skip('!')) return { key: cursor.key(), is: 'absent' };
  const key = cursor.key();
  if (cursor.skip('=') || cursor.skip('==')) return { key, is: 'in', values: [cursor.value()] };
  if (cursor.skip('!=')) return { key, is: 'not-in', values: [cursor.value()] };
  if (cursor.skip('in', 'word')) return { key, is: 'in', values: cursor.values() };
  if (cursor.skip('notin', 'word')) return { key, is: 'not-in', values: cursor.values() };
  return { key, is: 'there' };
}

/** Goes over the tokens of a selector. */
class Cursor {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  skip(text: string, kind: Token['kind'] = 'sign'): boolean {
    const { kind: found, text: word } = this.#next;
    if (found !== kind || word !== text) return false;
    this.#at += 1;
    return true;
  }

  key(): string {
    const { kind, text, position } = this.#next;
    if (kind !== 'word') throw this.#wanted('the name of a tag');
    if (!NAME_PATTERN.test(text)) throw new SelectorError(`"${text}" is no name of a tag`, position);
    this.#at += 1;
    return text;
  }

  value(): string {
    const { kind, text, position } = this.#next;
    if (kind !== 'word' && kind !== 'text') throw this.#wanted('a value');
    if (text.length > TAG_CHARS_MAX) {
      throw new SelectorError(`no tag has more than ${TAG_CHARS_MAX} characters; too long`, position);
    }
    this.#at += 1;
    return text;
  }

  /** In brackets. */
  values(): string[] {
    if (!this.skip('(')) throw this.#wanted('"("');
    const found = [this.value()];
    while (this.skip(',')) found.push(this.value());
    if (!this.skip(')')) throw this.#wanted('"," or ")"');
    return found;
  }

  requireEnd(what: string): void {
    if (this.#next.kind !== 'end') throw this.#wanted(what);
  }

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #wanted(what: string): SelectorError {
    const { kind, text, position } = this.#next;
    return new SelectorError(`${what} is wanted${kind === 'end' ? '' : `, not "${text}",`}`, position);
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    if (SPACE.test(text[at]!)) {
      at += 1;
      continue;
    }
    const position = at;
    const sign = SIGNS.find((each) => text.startsWith(each, at));
    if (sign !== undefined) {
      tokens.push({ kind: 'sign', text: sign, position });
      at += sign.length;
    } else if (text[at] === '"') {
      const end = endOfText(text, at);
      tokens.push({ kind: 'text', text: unquoted(text.slice(at, end), position), position });
      at = end;
    } else {
      while (at < text.length && WORD.test(text[at]!)) at += 1;
      if (at === position)
        throw new SelectorError(`"${text[at]}" has no place in a selector; a value with it is quoted`, at);
      tokens.push({ kind: 'word', text: text.slice(position, at), position });
    }
  }
  return [...tokens, { kind: 'end', text: '', position: text.length }];
}

/** @param from of the opening quote @returns behind the closing one */
function endOfText(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  throw new SelectorError('a closing quote is wanted', text.length);
}

function unquoted(json: string, position: number): string {
  try {
    return JSON.parse(json) as string;
  } catch {
    throw new SelectorError('what is quoted is written as in JSON; this is not,', position);
  }
}

/** In one way for each meaning it can be written in: `parseSelector(formatSelector(s))` is `s`. */
export function formatSelector(selector: Selector): string {
  return selector.length === 0 ? '*' : selector.map(formatRequirement).join(',');
}

function formatRequirement(requirement: Requirement): string {
  const { key, is } = requirement;
  if (is === 'there') return key;
  if (is === 'absent') return `!${key}`;
  const values = requirement.values.map(formatValue);
  if (values.length === 1) return `${key}${is === 'in' ? '=' : '!='}${values[0]}`;
  return `${key} ${is === 'in' ? 'in' : 'notin'} (${values.join(',')})`;
}

function formatValue(value: string): string {
  return value !== '' && [...value].every((character) => WORD.test(character)) ? value : JSON.stringify(value);
}

export function selects(selector: Selector, tags: Tags): boolean {
  return selector.every((requirement) => holds(requirement, tags));
}

function holds(requirement: Requirement, tags: Tags): boolean {
  const value = Object.hasOwn(tags, requirement.key) ? tags[requirement.key]! : undefined;
  if (requirement.is === 'there') return value !== undefined;
  if (requirement.is === 'absent') return value === undefined;
  const isAmong = value !== undefined && requirement.values.includes(value);
  return requirement.is === 'in' ? isAmong : !isAmong;
}
