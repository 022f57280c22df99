/** The operator API under /api/v1: the only way in for the CLI, the dashboard and other people's programs. Beside it, /metrics. */
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import { attemptOf, auditChanges } from './audited.ts';
import { answerUnknownRoute, handleError, sendProblem } from './error.ts';
import { createGuard } from './guard.ts';
import { alertPolicyRoutes } from './routes/alert-policy.ts';
import { alertStreamRoutes } from './routes/alert-streams.ts';
import { alertRoutes } from './routes/alerts.ts';
import { apiKeyRoutes } from './routes/api-keys.ts';
import { auditRoutes } from './routes/audit.ts';
import { channelRoutes } from './routes/channels.ts';
import { commandRoutes } from './routes/commands.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { deploymentRoutes } from './routes/deployments.ts';
import { deviceRoutes, tokenRoutes } from './routes/fleet.ts';
import { gapRoutes } from './routes/gaps.ts';
import { groupRoutes } from './routes/groups.ts';
import { historyRoutes } from './routes/history.ts';
import { eventRoutes } from './routes/live.ts';
import { logRoutes } from './routes/logs.ts';
import { metricRoute } from './routes/metrics.ts';
import { rolloutRoutes } from './routes/rollouts.ts';
import type { OperatorApiOptions, Routes } from './routes/route.ts';
import { secretRoutes } from './routes/secrets.ts';
import { trustRoutes } from './routes/trust.ts';
import { usageRoutes } from './routes/usage.ts';
import { Streams } from './streams.ts';

export type { OperatorApiOptions } from './routes/route.ts';

/** The name of a device has 128 characters at most, that of a gatherer 131 with its slash written as `%2F`. */
export const ROUTER_OPTIONS = { maxParamLength: 256 };

/** Registers the routes, in scopes of their own: hooks and parsers do not reach the rest of `app`. */
export async function registerOperatorApi(app: FastifyInstance, options: OperatorApiOptions): Promise<void> {
  await app.register(
    async (scope) => {
      scope.setValidatorCompiler(validatorCompiler);
      scope.setSerializerCompiler(serializerCompiler);
      scope.setErrorHandler(handleError);
      scope.setNotFoundHandler(answerUnknownRoute);
      scope.addContentTypeParser(
        'application/octet-stream',
        { parseAs: 'buffer' },
        async (_request: FastifyRequest, body: Buffer) => body,
      );
      guard(scope, options);
      await describe(scope);

      const routes: Routes = scope.withTypeProvider<ZodTypeProvider>();
      openRoutes(routes);
      apiKeyRoutes(routes, options);
      auditRoutes(routes, options);
      tokenRoutes(routes, options);
      deviceRoutes(routes, options);
      historyRoutes(routes, options);
      commandRoutes(routes, options);
      groupRoutes(routes, options);
      trustRoutes(routes, options);
      deploymentRoutes(routes, options);
      secretRoutes(routes, options);
      rolloutRoutes(routes, options);
      deadLetterRoutes(routes, options);
      gapRoutes(routes, options);
      alertRoutes(routes, options);
      alertPolicyRoutes(routes, options);
      channelRoutes(routes, options);
      const streams = new Streams(scope, options.access);
      logRoutes(routes, options, streams);
      eventRoutes(routes, options, streams);
      alertStreamRoutes(routes, options, streams);
      usageRoutes(routes, options);
    },
    { prefix: '/api/v1' },
  );
  await app.register(async (scope) => {
    scope.setErrorHandler(handleError);
    guard(scope, options);
    metricRoute(scope, options);
  });
}

/**
 * For browsers that come upon an answer. No cookie is ever set and no other origin let in, so that no page can ask in
 * the name of an operator. Strict-Transport-Security is left out: it would hold for every port of the host.
 */
const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

function guard(scope: FastifyInstance, { access, limits, hosts, audit }: OperatorApiOptions): void {
  const judge = createGuard(access, limits, hosts);
  scope.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    const { host, authorization } = request.headers;
    const { url } = request.routeOptions;
    const { method, ip: address } = request;
    const { principal, problem, waitMs } = judge({ host, authorization, address, method, url });
    if (principal !== undefined) request.principal = principal;
    if (problem === undefined) return;
    audit.denied(attemptOf(request), problem.status, problem.code);
    if (waitMs !== undefined) reply.header('retry-after', Math.ceil(waitMs / 1000));
    return sendProblem(reply, problem);
  });
  auditChanges(scope, audit);
}

async function describe(scope: FastifyInstance): Promise<void> {
  await scope.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Weir operator API',
        version: '1',
        description:
          'Every answer that is not 2xx has the body `{ "error": { code, message, remedy } }`. ' +
          'Lists come in pages: give `next` as `after` to get the one that follows.',
      },
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
      security: [{ apiKey: [] }],
    },
    transform: jsonSchemaTransform,
  });
}

function openRoutes(routes: Routes): void {
  routes.get(
    '/health',
    {
      schema: {
        summary: 'Whether the hub is up',
        security: [],
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  );
  routes.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json').serializer(String).send(JSON.stringify(routes.swagger())),
  );
}
