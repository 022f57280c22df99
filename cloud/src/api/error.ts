import { UsageError } from '@weir/runtime';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { DownlinkError } from '../downlink/downlink.ts';
import { StoreError } from '../store/store.ts';

/** Every answer that is not 2xx has this body. */
interface ErrorBody {
  error: {
    /** Stable, kebab-case. */
    code: string;
    /** What was wrong, and where. */
    message: string;
    /** What to do about it. */
    remedy: string;
  };
}

export interface Problem {
  status: number;
  code: string;
  message: string;
  remedy: string;
}

/** What the server refuses before a route sees it; its own codes are nobody's contract. */
const REFUSALS: Record<number, string> = {
  404: 'route-unknown',
  413: 'request-too-large',
  415: 'content-type-unsupported',
};

const UNREADABLE = 'FST_ERR_CTP_INVALID_JSON_BODY';

const SEE_DOCUMENT = 'see GET /api/v1/openapi.json for what is expected';

/** The whole mapping of errors to answers. Of what is not the caller's fault it says no more than that. */
function problemOf(error: unknown): Problem {
  if (error instanceof UsageError) {
    const { code, message, remedy = SEE_DOCUMENT } = error;
    return { status: usageStatus(code), code, message, remedy };
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const whole = error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? 'request');
    const where = error.validation.map(({ instancePath, message }) => {
      // Of whole requests no two have the same name for different things.
      const path = instancePath.split('/').filter((part) => part !== '');
      return `${path.length === 0 ? whole : path.join('.')}: ${message}`;
    });
    return { status: 400, code: 'request-invalid', message: where.join('; '), remedy: SEE_DOCUMENT };
  }
  if (error instanceof DownlinkError) {
    const message = `devices cannot be reached: ${error.message}`;
    return { status: 502, code: `downlink-${error.code}`, message, remedy: 'try again; see the log of the hub' };
  }
  if (error instanceof StoreError) {
    return { status: 503, code: 'store-failed', message: error.message, remedy: 'see the log of the hub' };
  }
  const { statusCode, message, code: fault } = error as Partial<FastifyError>;
  if (fault === UNREADABLE) {
    const why = 'the body is no JSON, or has a key that nothing may have, such as __proto__';
    return { status: 400, code: 'request-invalid', message: why, remedy: SEE_DOCUMENT };
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const code = REFUSALS[statusCode] ?? 'request-invalid';
    return { status: statusCode, code, message: message ?? 'refused', remedy: SEE_DOCUMENT };
  }
  return { status: 500, code: 'internal', message: 'the hub failed', remedy: 'see the log of the hub' };
}

/** With how things stand, though what was asked for is well formed. */
const CONFLICTS = new Set(['busy', 'device-revoked', 'channel-told', 'channel-turned-off']);

function usageStatus(code: string): number {
  if (code.endsWith('-unknown')) return 404;
  if (code.endsWith('-exists') || CONFLICTS.has(code)) return 409;
  if (code.endsWith('-too-large')) return 413;
  return 400;
}

export function sendProblem(reply: FastifyReply, { status, ...error }: Problem): FastifyReply {
  reply.request.problemCode = error.code;
  const body: ErrorBody = { error };
  // Past the serializer: it knows only the answers that went well.
  return reply.code(status).type('application/json; charset=utf-8').serializer(String).send(JSON.stringify(body));
}

export function answerUnknownRoute(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const message = `there is no ${request.method} ${request.url.split('?')[0]}`;
  const remedy = 'see GET /api/v1/openapi.json for what there is';
  return sendProblem(reply, { status: 404, code: 'route-unknown', message, remedy });
}

export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error);
  if (problem.status >= 500) request.log.error({ err: error, url: request.routeOptions.url }, 'request failed');
  return sendProblem(reply, problem);
}
