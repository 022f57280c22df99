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
import { answerUnknownRoute, handleError, sendProblem } from './error.ts';
import { createGuard } from './guard.ts';
import { alertRoutes, channelRoutes } from './routes/alerts.ts';
import { apiKeyRoutes } from './routes/api-keys.ts';
import { commandRoutes } from './routes/commands.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { deploymentRoutes } from './routes/deployments.ts';
import { deviceRoutes, groupRoutes, tokenRoutes } from './routes/fleet.ts';
import { gapRoutes } from './routes/gaps.ts';
import { eventRoutes } from './routes/live.ts';
import { logRoutes } from './routes/logs.ts';
import { metricRoute } from './routes/metrics.ts';
import type { OperatorApiOptions, Routes } from './routes/route.ts';
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
      tokenRoutes(routes, options);
      deviceRoutes(routes, options);
      commandRoutes(routes, options);
      groupRoutes(routes, options);
      deploymentRoutes(routes, options);
      deadLetterRoutes(routes, options);
      gapRoutes(routes, options);
      alertRoutes(routes, options);
      channelRoutes(routes, options);
      const streams = new Streams(scope, options.access);
      logRoutes(routes, options, streams);
      eventRoutes(routes, options, streams);
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

function guard(scope: FastifyInstance, { access, hosts }: OperatorApiOptions): void {
  const judge = createGuard(access, hosts);
  scope.addHook('onRequest', async (request, reply) => {
    const { host, authorization } = request.headers;
    const { url } = request.routeOptions;
    const { principal, problem } = judge({ host, authorization, method: request.method, url });
    if (principal !== undefined) request.principal = principal;
    if (problem !== undefined) return sendProblem(reply, problem);
  });
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
