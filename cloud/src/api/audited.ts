/** Puts every change that is asked for by the operator API into the audit log: before it is made, and how it ended. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Attempt, Audit } from '../audit/audit.ts';
import { summaryOf } from '../audit/summary.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the entry in the audit log. */
    auditId?: string;
    /** Of the error that is answered. */
    problemCode?: string;
  }
}

const TARGET_CHARACTERS_MAX = 256;

export function auditChanges(scope: FastifyInstance, audit: Audit): void {
  scope.addHook('preHandler', async (request) => {
    if (!isChange(request.method) || request.principal === undefined || request.is404) return;
    request.auditId = await audit.begin(attemptOf(request));
  });
  scope.addHook('onSend', async (request, reply) => {
    if (request.auditId === undefined) return;
    await audit.end(request.auditId, reply.statusCode, request.problemCode).catch((error: Error) => {
      // What was changed was changed; that its outcome is not known is in the log, too.
      request.log.error({ error: error.message }, 'the outcome of a change is not in the audit log');
    });
  });
}

export function isChange(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';
}

/** Without its query, which may have anything in it. */
export function attemptOf(request: FastifyRequest): Attempt {
  const { principal, method, routeOptions, ip } = request;
  const target = request.url.split('?', 1)[0]!.slice(0, TARGET_CHARACTERS_MAX);
  const body = isChange(method) ? summaryOf(request.body, target) : undefined;
  return {
    ...(principal !== undefined && { by: { id: principal.id, name: principal.name } }),
    from: ip,
    what: `${method} ${routeOptions.url ?? '(no such route)'}`,
    target,
    ...(body !== undefined && { body }),
  };
}
