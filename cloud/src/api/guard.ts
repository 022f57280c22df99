import { createHash, timingSafeEqual } from 'node:crypto';
import type { Problem } from './error.ts';

export interface Guarded {
  host: string | undefined;
  authorization: string | undefined;
  /** The route needs no key. */
  open: boolean;
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Decides whether a request may go on.
 *
 * The host is looked at because of DNS rebinding: a page in the operator's browser may be made to ask 127.0.0.1, but
 * its request names the page's own host.
 *
 * @returns undefined when it may
 */
export function createGuard(apiKey: string, hosts: readonly string[]): (request: Guarded) => Problem | undefined {
  const known = new Set([...LOOPBACK, ...hosts.map((host) => host.toLowerCase())]);
  // Digests have one length, so that the comparison tells nothing, not even the length of the key.
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const wanted = digest(`Bearer ${apiKey}`);
  return ({ host, authorization, open }) => {
    if (host === undefined || !known.has(hostname(host))) {
      return {
        status: 421,
        code: 'host-unknown',
        message: `this hub does not answer under the name "${host ?? ''}"`,
        remedy: 'ask it as 127.0.0.1 or localhost, or add the name to its configuration',
      };
    }
    if (open || timingSafeEqual(digest(authorization ?? ''), wanted)) return undefined;
    return {
      status: 401,
      code: authorization === undefined ? 'api-key-missing' : 'api-key-wrong',
      message: 'this needs the API key of the hub',
      remedy: "send it as 'Authorization: Bearer KEY'; it is in cli.json in the hub's data folder",
    };
  };
}

/** Without the port. */
function hostname(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}
