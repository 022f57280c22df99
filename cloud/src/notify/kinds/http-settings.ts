/** Settings that several kinds share. */
import { UsageError } from '@weir/runtime';
import { z } from 'zod';

const URL_CHARS_MAX = 2048;
/** A certificate chain is some KB. */
const PEM_CHARS_MAX = 65_536;

/** @throws {UsageError} `channel-url-invalid` */
export function checkUrl(text: string, protocols: readonly string[] = ['http:', 'https:']): string {
  const wrong = (what: string) =>
    new UsageError('channel-url-invalid', `the URL ${what}`, `give one such as ${protocols.at(-1)}//example.com/…`);
  if (text.length > URL_CHARS_MAX) throw wrong(`has more than ${URL_CHARS_MAX} characters`);
  if (!URL.canParse(text)) throw wrong('is no URL');
  const url = new URL(text);
  if (!protocols.includes(url.protocol)) {
    const wanted = protocols.map((each) => each.slice(0, -1)).join(' or ');
    throw wrong(`begins with ${url.protocol}, not ${wanted}`);
  }
  if (url.username !== '' || url.password !== '') throw wrong('holds a user name or password');
  return url.href;
}

export const httpUrl = z.string().transform((text) => checkUrl(text));

/** Path and query of a webhook are often its secret: shown is the host alone. */
export function shownUrl(href: string): string {
  const url = new URL(href);
  const origin = `${url.protocol}//${url.host}`;
  return (url.pathname === '/' || url.pathname === '') && url.search === '' ? origin : `${origin}/…`;
}

/** Visible characters: what goes into a header. */
export const headerText = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[\x20-\x7e]+$/, 'visible ASCII characters');

export const pem = z
  .string()
  .max(PEM_CHARS_MAX)
  .regex(/-----BEGIN CERTIFICATE-----/, 'certificates as PEM');

/** Of users and passwords. */
export const credential = z.string().min(1).max(1024);

export const JSON_HEADERS = { 'content-type': 'application/json', 'user-agent': 'weir' };
