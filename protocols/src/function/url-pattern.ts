/**
 * Which URLs a function may ask for.
 *
 *     https://api.example.com/v1/*      everything below /v1/, and nothing else of that host
 *     https://api.example.com/status    this path alone, with any query
 *     https://*.example.com/*           every host below example.com, not example.com itself
 *     http://192.168.1.10:8080/*        an address; a port other than that of the scheme is named
 *
 * Both sides are read as a browser reads them before they are compared: case of scheme and host, default ports, dots in
 * the path and the many ways to write an address are the same then. What servers read in more than one way is refused.
 */

import { z } from 'zod';

export interface UrlPattern {
  /** As it was written. */
  readonly text: string;
  /** Names one host by its address, or `localhost`: whoever wrote it means this machine or that network. */
  readonly isLiteral: boolean;
  readonly protocol: string;
  /** Without brackets or wildcard. */
  readonly host: string;
  readonly anyBelowHost: boolean;
  readonly port: string;
  readonly path: string;
  readonly anyBelowPath: boolean;
}

export const URL_CHARS_MAX = 2_048;
export const URL_PATTERN_CHARS_MAX = 256;

const PATTERN = /^(https?):\/\/(\*\.)?([^/*]+)(\/[^*]*)(\*)?$/i;
const ADDRESS = /^(?:\d{1,3}\.){3}\d{1,3}$|^\[/;
/** Spaces, control characters and `\`, which readers of URLs drop or turn into something else. */
const MISLEADING = /[\s\\\p{Cc}]/u;
/** A slash of either kind, however many times encoded: some servers take it for one, some do not. */
const ENCODED_SLASH = /%(?:25)*(?:2f|5c)/i;
const ENCODED_DOT = /%(?:25)*2e/gi;
/** `..` that is left over when a URL was read, e.g. `..;x`, which some servers take for `..`. */
const DOTS = /(?:^|\/)\.{1,2}(?:;|\/|$)/;

/** @returns the pattern, or what is wrong with it */
export function parseUrlPattern(text: string): UrlPattern | string {
  if (text.length > URL_PATTERN_CHARS_MAX) return `has more than ${URL_PATTERN_CHARS_MAX} characters`;
  if (MISLEADING.test(text)) return 'holds a space, a backslash or a control character';
  const [, scheme, wildcard, rest, path, anyBelow] = PATTERN.exec(text) ?? [];
  if (scheme === undefined || rest === undefined || path === undefined) {
    return 'is no pattern such as https://api.example.com/v1/* (a path is needed; * may begin the host as *. or end the path)';
  }
  const url = readUrl(`${scheme}://${rest}${path}`);
  if (typeof url === 'string') return url;
  if (url.search !== '' || url.hash !== '')
    return 'names a query or a fragment: only scheme, host, port and path count';
  if (anyBelow !== undefined && !path.endsWith('/')) return 'must have a / before the * at its end';
  const isAddress = ADDRESS.test(url.hostname);
  if (wildcard !== undefined && isAddress) return 'has *. before an address';
  return {
    text,
    isLiteral: wildcard === undefined && (isAddress || url.hostname === 'localhost'),
    protocol: url.protocol,
    host: url.hostname,
    anyBelowHost: wildcard !== undefined,
    port: url.port,
    path: url.pathname,
    anyBelowPath: anyBelow !== undefined,
  };
}

export const urlPatternSchema = z.string().superRefine((text, context) => {
  const pattern = parseUrlPattern(text);
  if (typeof pattern === 'string') context.addIssue({ code: 'custom', message: `${JSON.stringify(text)} ${pattern}` });
});

/** @returns the URL as it is to be sent, or why it is not sent anywhere, whatever is allowed */
export function readUrl(text: string): URL | string {
  if (text.length > URL_CHARS_MAX) return `has more than ${URL_CHARS_MAX} characters`;
  if (MISLEADING.test(text)) return 'holds a space, a backslash or a control character';
  const url = URL.parse(text);
  if (url === null) return 'is no URL';
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return `has the scheme ${url.protocol} and not https: or http:`;
  if (url.username !== '' || url.password !== '') return 'holds a user name or a password';
  if (url.hostname.endsWith('.')) return 'has a host that ends with a dot';
  const path = url.pathname.replace(ENCODED_DOT, '.');
  if (ENCODED_SLASH.test(path) || DOTS.test(path)) return 'has a path that servers read in different ways';
  return url;
}

/** @param url from {@link readUrl} */
export function matchingPattern(url: URL, patterns: readonly UrlPattern[]): UrlPattern | undefined {
  return patterns.find(
    (pattern) =>
      url.protocol === pattern.protocol &&
      url.port === pattern.port &&
      hostFits(url.hostname, pattern) &&
      pathFits(url.pathname, pattern),
  );
}

function hostFits(host: string, pattern: UrlPattern): boolean {
  return pattern.anyBelowHost ? host.endsWith(`.${pattern.host}`) && !ADDRESS.test(host) : host === pattern.host;
}

function pathFits(path: string, pattern: UrlPattern): boolean {
  return pattern.anyBelowPath ? path.startsWith(pattern.path) : path === pattern.path;
}
