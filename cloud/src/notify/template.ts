/**
 * Texts with gaps, as people write them for a channel. A part of Mustache: no logic, no calls, no partials, no other delimiters.
 *
 *     {{path.to.value}}            the value, escaped as its place wants; nothing if there is none
 *     {{&path}}                    in JSON: the value as JSON, with its quotes; elsewhere the same as above
 *     {{#path}} … {{/path}}        for each element of a list; once for anything that is there
 *     {{^path}} … {{/path}}        when it is not there, false, 0, or an empty text or list
 *     {{! … }}                     a comment
 *     {{.}}                        the element itself
 *
 * A name is looked for in the innermost section first, then further out. A template that stands alone on its line takes the line
 * with it. What comes out is bounded, and so is the work: each gap is filled once for each element, and never more than
 * {@link STEPS_MAX} in all.
 */
import { UsageError } from '@weir/runtime';

/** How a value is written where it stands. */
export type Escape = 'none' | 'json' | 'slack' | 'markdown';

/** A message for people; what is longer is a program. */
export const TEMPLATE_CHARS_MAX = 16_384;
/** As much as chats and mail take well. */
export const FILLED_CHARS_MAX = 65_536;
const DEPTH_MAX = 8;
/** A hundred alerts with a hundred gaps each. */
const STEPS_MAX = 10_000;

type Part =
  | { kind: 'text'; text: string }
  | { kind: 'value'; path: string[]; isWhole: boolean }
  | { kind: 'section'; path: string[]; isInverted: boolean; parts: Part[] };

export interface Template {
  /** @throws {UsageError} `template-too-large` when what comes out is over its bound */
  fill(fields: unknown, how: Escape): string;
  /** First names of all paths, each once: what is used. */
  readonly names: readonly string[];
}

/** @throws {UsageError} `template-invalid`, with line and column */
export function parseTemplate(text: string): Template {
  if (text.length > TEMPLATE_CHARS_MAX) {
    throw new UsageError(
      'template-invalid',
      `the template has ${text.length} characters, and ${TEMPLATE_CHARS_MAX} are the limit`,
      'say less',
    );
  }
  const parts = new Parser(text).parse();
  return {
    fill: (fields, how) => new Filler(how).fill(parts, [fields]),
    names: [...new Set(namesOf(parts))],
  };
}

function namesOf(parts: readonly Part[]): string[] {
  return parts.flatMap((part) => {
    if (part.kind === 'text') return [];
    const own = part.path.length === 0 ? [] : [part.path[0]!];
    return part.kind === 'value' ? own : [...own, ...namesOf(part.parts)];
  });
}

/** What is in three braces is as with `&`. A brace of JSON may follow a tag. */
const TAG = /\{\{(?:\{([^{}]*)\}\}\}|([^{}]*)\}\})/y;
const SIGNS = ['#', '^', '/', '&', '!'];
const PATH = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

interface Open {
  name: string;
  at: number;
  parts: Part[];
}

class Parser {
  readonly #text: string;
  readonly #open: Open[] = [{ name: '', at: 0, parts: [] }];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Part[] {
    for (;;) {
      const next = this.#text.indexOf('{{', this.#at);
      this.#addText(this.#text.slice(this.#at, next === -1 ? undefined : next));
      if (next === -1) break;
      this.#at = next;
      this.#tag();
    }
    const { name, at, parts } = this.#open.at(-1)!;
    if (this.#open.length > 1) throw this.#wrong(at, `{{#${name}}} is never closed`, `add {{/${name}}}`);
    return parts;
  }

  #tag(): void {
    const begin = this.#at;
    TAG.lastIndex = begin;
    const found = TAG.exec(this.#text);
    if (found === null) {
      throw this.#wrong(begin, '{{ is not followed by a field and }}', 'e.g. {{status}}');
    }
    const [whole, triple, inner = `&${triple}`] = found as unknown as [string, string?, string?];
    this.#at = begin + whole.length;
    const text = inner.trim();
    const sign = SIGNS.find((each) => text.startsWith(each));
    if (sign === '!') {
      this.#takeLine(begin);
      return;
    }
    const name = text.slice(sign?.length ?? 0).trim();
    if (name !== '.' && !PATH.test(name)) {
      throw this.#wrong(begin, `"${name}" is no field`, 'fields are such as {{status}} or {{labels.device}}');
    }
    const path = name === '.' ? [] : name.split('.');
    if (sign === '#' || sign === '^') this.#begin(begin, name, path, sign === '^');
    else if (sign === '/') this.#end(begin, name);
    else this.#add({ kind: 'value', path, isWhole: sign === '&' });
  }

  #begin(at: number, name: string, path: string[], isInverted: boolean): void {
    if (this.#open.length > DEPTH_MAX)
      throw this.#wrong(at, `sections are nested more than ${DEPTH_MAX} deep`, 'flatten it');
    this.#takeLine(at);
    const parts: Part[] = [];
    this.#add({ kind: 'section', path, isInverted, parts });
    this.#open.push({ name, at, parts });
  }

  #end(at: number, name: string): void {
    const { name: open } = this.#open.at(-1)!;
    if (this.#open.length === 1) throw this.#wrong(at, `{{/${name}}} closes nothing`, `begin with {{#${name}}}`);
    if (open !== name) throw this.#wrong(at, `{{/${name}}} closes {{#${open}}}`, `close that first: {{/${open}}}`);
    this.#takeLine(at);
    this.#open.pop();
  }

  #add(part: Part): void {
    this.#open.at(-1)!.parts.push(part);
  }

  #addText(text: string): void {
    if (text !== '') this.#add({ kind: 'text', text });
  }

  /** A section that stands alone on its line leaves no empty line behind. */
  #takeLine(begin: number): void {
    const before = this.#text.slice(this.#text.lastIndexOf('\n', begin - 1) + 1, begin);
    const rest = /^[ \t]*(\r?\n|$)/.exec(this.#text.slice(this.#at));
    if (before.trim() !== '' || rest === null) return;
    const last = this.#open.at(-1)!.parts.at(-1);
    if (last?.kind === 'text' && before !== '') last.text = last.text.slice(0, -before.length);
    this.#at += rest[0].length;
  }

  #wrong(at: number, what: string, remedy: string): UsageError {
    const lines = this.#text.slice(0, at).split('\n');
    const place = `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
    return new UsageError('template-invalid', `the template, ${place}: ${what}`, remedy);
  }
}

class Filler {
  readonly #escape: Escape;
  #steps = 0;
  #chars = 0;

  constructor(how: Escape) {
    this.#escape = how;
  }

  /** @param scopes innermost last */
  fill(parts: readonly Part[], scopes: readonly unknown[]): string {
    let text = '';
    for (const part of parts) text += this.#part(part, scopes);
    return text;
  }

  #part(part: Part, scopes: readonly unknown[]): string {
    if (++this.#steps > STEPS_MAX) throw tooLarge();
    if (part.kind === 'text') return this.#counted(part.text);
    const value = valueAt(part.path, scopes);
    if (part.kind === 'value') return this.#counted(written(value, part.isWhole, this.#escape));
    if (part.isInverted) return isThere(value) ? '' : this.fill(part.parts, scopes);
    if (!isThere(value)) return '';
    const elements = Array.isArray(value) ? value : [value];
    return elements.map((each) => this.fill(part.parts, [...scopes, each])).join('');
  }

  #counted(text: string): string {
    this.#chars += text.length;
    if (this.#chars > FILLED_CHARS_MAX) throw tooLarge();
    return text;
  }
}

function tooLarge(): UsageError {
  return new UsageError(
    'template-too-large',
    `the template makes more than ${FILLED_CHARS_MAX} characters, or fills ${STEPS_MAX} gaps, of one message`,
    'say less of each alert',
  );
}

function valueAt(path: readonly string[], scopes: readonly unknown[]): unknown {
  if (path.length === 0) return scopes.at(-1);
  const scope = scopes.findLast((each) => ownOf(each, path[0]!) !== undefined);
  return path.reduce<unknown>((value, name) => ownOf(value, name), scope);
}

/** Nothing that is inherited: a template reads data. */
function ownOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function isThere(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function written(value: unknown, isWhole: boolean, how: Escape): string {
  if (how === 'json' && isWhole) return JSON.stringify(value ?? null);
  if (value === undefined || value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return ESCAPES[how](text);
}

const ESCAPES: Readonly<Record<Escape, (text: string) => string>> = {
  none: (text) => text,
  json: (text) => JSON.stringify(text).slice(1, -1),
  slack: escapeSlack,
  markdown: escapeMarkdown,
};

/** @see https://docs.slack.dev/messaging/formatting-message-text: no mention, link or channel without an angle bracket */
export function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** An `@` that mentions everybody is followed by a character without width: no mention is left. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\`*_{}[\]()#+\-!|<>~&:]/g, '\\$&')
    .replaceAll('@', '@\u200b')
    .replaceAll('\\:', ':\u200b');
}
