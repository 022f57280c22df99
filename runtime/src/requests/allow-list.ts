/** What an operator lets functions ask for; nothing unless it is named. */
import { matchingPattern, parseUrlPattern, readUrl, type UrlPattern } from '@weir/protocols';
import type { Deployed, HttpRequest } from '../fold/fold.ts';
import { headersRefusal } from './headers.ts';
import { type DeclaredSecrets, secretsRefusal } from './secrets.ts';

/** Where a request may go. */
export interface Destination {
  url: URL;
  /** The one that lets it. */
  pattern: UrlPattern;
}

/** What a function says it asks for, and with which secrets. */
export interface Declared {
  /** URL patterns. */
  requests: readonly string[];
  secrets: DeclaredSecrets;
}

export class AllowList {
  readonly #patterns: readonly UrlPattern[];

  /** @param patterns as configured; what is no pattern allows nothing */
  constructor(patterns: readonly string[]) {
    this.#patterns = parsed(patterns);
  }

  /** @returns the destination, or why there is none */
  destination({ url: text }: HttpRequest): Destination | string {
    const url = readUrl(text);
    if (typeof url === 'string') return `the URL ${shown(text)} ${url}`;
    const pattern = matchingPattern(url, this.#patterns);
    if (pattern !== undefined) return { url, pattern };
    return `${shown(text)} is not allowed: add it to functions.requests.allow of this host, e.g. ${url.origin}${url.pathname}`;
  }

  /**
   * @param declared as the function's manifest has it
   * @returns why the request is not sent; undefined: it is
   */
  refusal(request: HttpRequest, declared: Declared): string | undefined {
    const destination = this.destination(request);
    if (typeof destination === 'string') return destination;
    if (matchingPattern(destination.url, parsed(declared.requests)) === undefined) {
      return `${shown(request.url)} is not among the requests that the function declares: add it to its requests`;
    }
    return headersRefusal(request.headers) ?? secretsRefusal(request, destination.url, declared.secrets);
  }
}

/** What a function's manifest says it asks for. */
export function declaredRequests(fold: string, deployed: readonly Deployed[]): Declared {
  const bundle = deployed.find(({ name }) => name === fold)?.bundle;
  if (bundle?.kind !== 'function') return { requests: [], secrets: {} };
  const { requests, secrets = {} } = bundle.manifest;
  return { requests, secrets };
}

function parsed(patterns: readonly string[]): UrlPattern[] {
  return patterns.map(parseUrlPattern).filter((pattern) => typeof pattern !== 'string');
}

/** A query may hold what nobody should read in a log. */
function shown(url: string): string {
  return url.replace(/[?#].*$/s, '').slice(0, 200);
}
