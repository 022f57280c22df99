/** Which headers of a request are a function's to set, and which of an answer are of use to it. */

/** Of one header of an answer. */
const HEADER_CHARS_MAX = 4_096;

/** A token. @see RFC 9110 section 5.6.2 */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/i;
/** What can be seen, and spaces: nothing that would end a line. @see RFC 9110 section 5.5 */
const VALUE = /^[\t\x20-\x7e]*$/;

/** Of the connection and the framing of the message, or the host's own: set by a function they would say what is not so. */
const HOSTS_OWN = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'idempotency-key',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Of an answer; whatever else a server says is not for functions. */
const OF_USE = new Set([
  'content-language',
  'content-type',
  'date',
  'etag',
  'last-modified',
  'link',
  'location',
  'retry-after',
  'x-request-id',
]);
const RATE_LIMIT = /^(?:x-)?ratelimit(?:-|$)/;

/**
 * Their number and size were looked at when they came out of the sandbox.
 *
 * @returns why they are not sent; undefined: they are
 */
export function headersRefusal(headers: Readonly<Record<string, string>>): string | undefined {
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const shown = JSON.stringify(name.slice(0, 64));
    const key = name.toLowerCase();
    if (!NAME.test(name)) return `${shown} is no name of a header`;
    if (HOSTS_OWN.has(key) || key.startsWith('proxy-')) return `the header ${shown} is set by the host alone`;
    if (seen.has(key)) return `the header ${shown} is there twice`;
    seen.add(key);
    if (!VALUE.test(value)) return `the header ${shown} holds something else than visible ASCII characters`;
  }
  return undefined;
}

/** @param headers of an answer, names in lower case */
export function headersOfUse(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || !(OF_USE.has(name) || RATE_LIMIT.test(name))) continue;
    kept[name] = (typeof value === 'string' ? value : value.join(', ')).slice(0, HEADER_CHARS_MAX);
  }
  return kept;
}
