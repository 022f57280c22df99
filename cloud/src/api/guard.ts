import type { Access, KeyFault, Principal } from '../access/access.ts';
import type { RequestLimits } from '../access/request-limits.ts';
import { mayActAs } from '../access/role.ts';
import type { Problem } from './error.ts';
import { leastRoleOf } from './route-roles.ts';

export interface Guarded {
  host: string | undefined;
  authorization: string | undefined;
  /** Of the connection. */
  address: string;
  method: string;
  /** Of the route; undefined: there is none. */
  url: string | undefined;
}

/** Who asks, where it is known, and why they may not. */
export interface Judgement {
  principal?: Principal;
  problem?: Problem;
  /** After which it may be asked again. */
  waitMs?: number;
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Decides whether a request may go on.
 *
 * The host is looked at because of DNS rebinding: a page in the operator's browser may be made to ask 127.0.0.1, but
 * its request names the page's own host.
 */
export function createGuard(
  access: Pick<Access, 'authenticate' | 'used'>,
  limits: RequestLimits,
  hosts: readonly string[],
): (request: Guarded) => Judgement {
  const known = new Set([...LOOPBACK, ...hosts.map(inHeader)]);
  return ({ host, authorization, address, method, url }) => {
    const tooMany = limits.ofAddress(address);
    if (tooMany > 0) return tooManyRequests('from this address', tooMany);
    if (host === undefined || !known.has(hostname(host))) return { problem: unknownHost(host) };
    const least = leastRoleOf(method, url);
    if (least === 'open') return {};
    const principal = access.authenticate(authorization);
    if (typeof principal === 'string') {
      const failures = limits.ofFailure(address);
      if (failures > 0) return tooManyRequests('without a good key from this address', failures);
      return { problem: { status: 401, code: principal, ...FAULTS[principal] } };
    }
    access.used(principal.id);
    const often = limits.ofKey(principal.id);
    if (often > 0) return { principal, ...tooManyRequests('with this API key', often) };
    if (mayActAs(principal.role, least)) return { principal };
    return {
      principal,
      problem: {
        status: 403,
        code: 'role-too-low',
        message: `this needs the role ${least}; the API key "${principal.name}" is ${principal.role}`,
        remedy: `ask an admin for a key: weir api-key create NAME --role ${least}`,
      },
    };
  };
}

const FAULTS: Record<KeyFault, { message: string; remedy: string }> = {
  'api-key-missing': {
    message: 'this needs an API key',
    remedy: "send it as 'Authorization: Bearer KEY'; on the machine of the hub, weir finds it in its data folder",
  },
  'api-key-wrong': {
    message: 'the hub does not know this API key',
    remedy:
      "an admin can make another: weir api-key create NAME; on the machine of the hub it is in cli.json in the hub's data folder",
  },
  'api-key-expired': {
    message: 'this API key has expired',
    remedy: 'ask an admin for another: weir api-key create NAME',
  },
  'api-key-revoked': {
    message: 'this API key was revoked',
    remedy: 'ask an admin for another: weir api-key create NAME',
  },
};

function tooManyRequests(which: string, waitMs: number): Judgement {
  const problem = {
    status: 429,
    code: 'too-many-requests',
    message: `too many requests ${which}`,
    remedy: 'ask less often; Retry-After says how many seconds to wait',
  };
  return { problem, waitMs };
}

function unknownHost(host = ''): Problem {
  return {
    status: 421,
    code: 'host-unknown',
    message: `this hub does not answer under the name "${host}"`,
    remedy: 'ask it as 127.0.0.1 or localhost, or add the name to public.hosts in its configuration',
  };
}

/** Without the port. */
function hostname(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}

function inHeader(host: string): string {
  return host.includes(':') ? `[${host.toLowerCase()}]` : host.toLowerCase();
}
