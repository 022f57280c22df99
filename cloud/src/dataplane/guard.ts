/** Who may ask the IoT Data Plane: the API keys of operators, by their signatures, within limits, and audited. */
import type { FastifyRequest } from 'fastify';
import type { Access } from '../access/access.ts';
import type { RequestLimits } from '../access/request-limits.ts';
import { mayActAs } from '../access/role.ts';
import { attemptOf, isChange } from '../api/audited.ts';
import { leastRoleOf } from '../api/route-roles.ts';
import type { Audit } from '../audit/audit.ts';
import type { Authentication } from './dataplane.ts';
import { DataPlaneError } from './error.ts';
import { bodyOf } from './message.ts';
import { accessKeyIdOf, MISSING, type SignedRequest, signerOf, UNKNOWN } from './signature.ts';

export interface DataPlaneGuardPorts {
  /** Signers are its API keys. */
  access: Pick<Access, 'own' | 'credentialsOf' | 'used'>;
  limits: RequestLimits;
  audit: Pick<Audit, 'message' | 'denied'>;
  now: () => number;
}

/** Sets `request.principal`. */
export function bySignature(ports: DataPlaneGuardPorts): Authentication {
  const { access, limits, audit, now } = ports;
  const deny = (request: FastifyRequest, status: number, message: string, code: string): never => {
    const isSlowed = status === 401 && limits.ofFailure(request.ip) > 0;
    audit.denied(attemptOf(request), isSlowed ? 429 : status, isSlowed ? 'too-many-requests' : code);
    throw isSlowed ? tooMany() : new DataPlaneError(status, message);
  };
  return {
    // Of those who have no key nothing is kept in memory.
    async begin(request) {
      const id = accessKeyIdOf(request.headers.authorization);
      if (id === access.own.accessKeyId) return;
      if (limits.ofAddress(request.ip) > 0) throw tooMany();
      if (id === undefined) deny(request, 401, MISSING, 'signature-missing');
      else if (access.credentialsOf(id) === undefined) deny(request, 401, UNKNOWN, 'api-key-wrong');
    },
    async identify(request) {
      const signer = await signerOf(signedPartsOf(request), (id) => access.credentialsOf(id), now());
      if (typeof signer === 'string') return deny(request, 401, signer, 'signature-wrong');
      request.principal = signer;
      if (signer.internal) return { kind: 'operator' };
      access.used(signer.id);
      if (limits.ofKey(signer.id) > 0) throw tooMany();
      const least = leastRoleOf(request.method, request.routeOptions.url);
      if (!mayActAs(signer.role, least)) {
        const message = `this needs the role ${least}; the API key "${signer.name}" is ${signer.role}`;
        deny(request, 403, message, 'role-too-low');
      }
      if (isChange(request.method)) await audit.message(attemptWithoutBody(request));
      return { kind: 'operator' };
    },
  };
}

function signedPartsOf(request: FastifyRequest): SignedRequest {
  return { method: request.method, url: request.url, headers: request.headers, body: bodyOf(request) };
}

/** What is said to devices is theirs, and much. */
function attemptWithoutBody(request: FastifyRequest) {
  const { body: _, ...attempt } = attemptOf(request);
  return attempt;
}

function tooMany(): DataPlaneError {
  return new DataPlaneError(429, 'Rate exceeded');
}
