import { BUNDLE_BYTES_MAX, bundleIdentity, type JsonObject, RELEASE_HEADER } from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import { z } from 'zod';
import { rolloutOptions } from '../../fleet/rollout/options.ts';
import * as schemas from '../schemas.ts';
import { rolloutWords, wordsOf } from './rollouts.ts';
import { given, type OperatorApiOptions, page, type Routes } from './route.ts';

const params = z.object({ group: schemas.name, name: schemas.name });

export function deploymentRoutes(app: Routes, { fleet }: OperatorApiOptions): void {
  bundleRoute(app, fleet);

  app.put(
    '/groups/:group/deployments/:name',
    {
      schema: {
        summary: 'Set what a group runs under a name; its devices follow',
        params,
        body: z.strictObject({
          hash: schemas.hash,
          where: schemas.where.default('edge'),
          config: schemas.config.default({}),
          rollout: rolloutWords.optional().describe('absent, or empty: to all at once'),
        }),
        response: { 200: schemas.deploymentSet },
      },
    },
    ({ params, body: { hash, where, config, rollout } }) => {
      const options = rolloutOptions(wordsOf(rollout));
      const setting = { ...params, hash, where, config: config as JsonObject };
      return fleet.deploy(options === undefined ? setting : { ...setting, rollout: options });
    },
  );

  app.delete(
    '/groups/:group/deployments/:name',
    {
      schema: {
        summary: 'Take a function, rule or forwarding policy off a group',
        params,
        response: { 200: z.object({ done: z.literal(true) }) },
      },
    },
    async ({ params }) => {
      await fleet.undeploy(params.group, params.name);
      return { done: true as const };
    },
  );

  app.post(
    '/groups/:group/deployments/:name/rollback',
    {
      schema: {
        summary: 'Run again what ran before under this name',
        params,
        response: { 200: schemas.deploymentSet },
      },
    },
    ({ params }) => fleet.rollback(params.group, params.name),
  );

  const querystring = schemas.pageQuery.extend({
    name: schemas.name.optional(),
    group: schemas.name.optional(),
    device: schemas.deviceOrGatherer.optional(),
  });
  app.get(
    '/deployments',
    {
      schema: {
        summary: 'What is wanted on each device beside what it reports; limit counts devices',
        querystring,
        response: { 200: schemas.pageOf(schemas.deploymentStatus) },
      },
    },
    ({ query }) => fleet.status({ ...given(query), ...page(query) }),
  );
}

function bundleRoute(app: Routes, fleet: OperatorApiOptions['fleet']): void {
  const answer = z.object({ hash: z.string(), kind: schemas.kind, name: z.string() });
  app.post(
    '/bundles',
    {
      // One byte over is enough to be told that it is too large, by us and with a remedy.
      bodyLimit: 2 * BUNDLE_BYTES_MAX,
      schema: {
        summary:
          'Upload a bundle, as application/octet-stream, with its release statement in base64 in the header weir-release; ' +
          'the same again changes nothing',
        consumes: ['application/octet-stream'],
        response: { 201: answer },
      },
    },
    async (request, reply) => {
      if (!(request.body instanceof Uint8Array)) {
        throw new UsageError('bundle-missing', 'the request has no bundle', 'send it as application/octet-stream');
      }
      const release = releaseIn(request.headers[RELEASE_HEADER]);
      const { hash, bundle } = await fleet.putBundle(request.body, release);
      const { kind, name } = bundleIdentity(bundle, hash);
      return reply.code(201).send({ hash, kind, name });
    },
  );
}

/** What it is, the check of it says. */
function releaseIn(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? Buffer.from(header, 'base64').toString('utf8') : undefined;
}
