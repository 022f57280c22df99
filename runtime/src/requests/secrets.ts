/**
 * Secrets in requests of functions: a function names one and never sees it.
 *
 *     url      https://api.example.com/bot${secret:bot-token}/send
 *     headers  { authorization: 'Bearer ${secret:erp-token}' }
 *
 * What waits, fails and is shown has the name; the value is put in for one attempt, and taken out again of what a server
 * says back.
 */
import { matchingPattern, NAME_PATTERN, parseUrlPattern, readUrl } from '@weir/protocols';
import type { HttpRequest } from '../fold/fold.ts';
import type { Destination } from './allow-list.ts';
import type { HttpAnswer, WaitingRequest } from './requests.ts';

/** The value of a secret for whoever asks; undefined: there is none of this name. */
export type SecretSource = (waiting: WaitingRequest, name: string) => Promise<string | undefined>;

/** By name, where it may go, as URL patterns: as a function's manifest has it. */
export type DeclaredSecrets = Readonly<Record<string, readonly string[]>>;

const REFERENCE = /\$\{secret:([^}]*)\}/g;
const BEGINNING = /\$\{secret(?!:[^}]*\})/;
/** What a header can hold. @see headers.ts */
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

/** @returns why the request is not sent; undefined: it is */
export function secretsRefusal(
  { headers, url: text }: HttpRequest,
  url: URL,
  declared: DeclaredSecrets,
): string | undefined {
  const texts = [text, ...Object.values(headers)];
  if (texts.some((each) => BEGINNING.test(each))) return `a secret is named as \${secret:NAME}`;
  for (const name of new Set(texts.flatMap(namesIn))) {
    if (!NAME_PATTERN.test(name)) return `${JSON.stringify(name.slice(0, 64))} is no name of a secret`;
    const patterns = Object.hasOwn(declared, name) ? declared[name] : undefined;
    if (patterns === undefined) return `the function does not declare the secret "${name}": add it to its secrets`;
    const parsed = patterns.map(parseUrlPattern).filter((pattern) => typeof pattern !== 'string');
    if (matchingPattern(url, parsed) !== undefined) continue;
    return `the secret "${name}" may not go to ${url.origin}: the secrets of the function say where it may`;
  }
  return undefined;
}

/** A request as it is sent. */
export interface Filled {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** What was put in, by name. */
  values: ReadonlyMap<string, string>;
}

/** @returns the request with its secrets, or why it cannot be had */
export async function fillSecrets(
  waiting: WaitingRequest,
  { url, pattern }: Destination,
  source: SecretSource | undefined,
): Promise<Filled | string> {
  const { url: text, headers } = waiting.request;
  const values = new Map<string, string>();
  for (const name of new Set([text, ...Object.values(headers)].flatMap(namesIn))) {
    const value = await source?.(waiting, name);
    if (value === undefined) return `there is no secret "${name}" here: weir secret set GROUP ${name}`;
    values.set(name, value);
  }
  if (values.size === 0) return { url, headers, values };
  const put = (into: string, written: (value: string) => string) =>
    into.replace(REFERENCE, (_, name: string) => written(values.get(name)!));
  // Its value is one piece of the path or query, whatever it holds: it cannot lead to another place.
  const filled = readUrl(put(text, encodeURIComponent));
  if (typeof filled === 'string' || filled.origin !== url.origin || matchingPattern(filled, [pattern]) === undefined) {
    return 'with its secret the URL would lead to another place, or nowhere';
  }
  const entries = Object.entries(headers).map(([name, value]) => [name, put(value, (secret) => secret)] as const);
  const unfit = entries.find(([, value]) => !HEADER_VALUE.test(value));
  if (unfit !== undefined) return `with its secret the header ${unfit[0]} would hold something else than visible ASCII`;
  return { url: filled, headers: Object.fromEntries(entries), values };
}

/** A server that says back what it was sent does not tell it to the function. */
export function withoutSecrets(answer: HttpAnswer, values: Filled['values']): HttpAnswer {
  if (values.size === 0) return answer;
  const hidden = (text: string) => hideSecrets(text, values);
  const headers = Object.entries(answer.headers).map(([name, value]) => {
    if (value === undefined) return [name, value];
    return [name, typeof value === 'string' ? hidden(value) : value.map(hidden)];
  });
  return {
    ...answer,
    headers: Object.fromEntries(headers) as HttpAnswer['headers'],
    ...(answer.body !== undefined && { body: hidden(answer.body) }),
  };
}

export function hideSecrets(text: string, values: Filled['values']): string {
  let shown = text;
  for (const [name, value] of values) {
    for (const written of new Set([value, encodeURIComponent(value)]))
      shown = shown.replaceAll(written, () => `\${secret:${name}}`);
  }
  return shown;
}

function namesIn(text: string): string[] {
  return [...text.matchAll(REFERENCE)].map(([, name]) => name!);
}
