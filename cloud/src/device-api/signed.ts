/**
 * What is signed, for the device that has to believe it. The device checks it by itself: here it is only handed out.
 *
 *     GET /v1/deployment?known=N    a statement of now, in answer to who has taken number N last
 *     GET /v1/roots?after=N         root files after version N
 *     GET /v1/releases/:hash        what the author of a bundle has said of it
 */
import { type deploymentAnswerSchema, HASH_PATTERN, type rootsAnswerSchema } from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Peer } from '../identity/peer.ts';
import type { Store } from '../store/store.ts';
import { releaseOf } from '../trust/releases.ts';
import { rootsAfter } from '../trust/roots.ts';
import type { Statements } from '../trust/statements.ts';
import { TrustError } from '../trust/trust-error.ts';

export interface SignedPorts {
  store: Store;
  statements: Pick<Statements, 'make'>;
}

const number = z.coerce.number().pipe(z.int().min(0)).default(0);
const statementQuery = z.object({ known: number });
const rootsQuery = z.object({ after: number });

/** @param requireDevice who asks. @throws {UsageError} when it is nobody who may */
export function registerSigned(
  app: FastifyInstance,
  { store, statements }: SignedPorts,
  requireDevice: (request: FastifyRequest) => Promise<Peer>,
): void {
  app.get('/v1/deployment', async (request): Promise<z.infer<typeof deploymentAnswerSchema>> => {
    const { device } = await requireDevice(request);
    const { known } = read(statementQuery, request);
    const made = await statements.make(device, known);
    if (made !== undefined) return made;
    throw new TrustError('root-missing', 'this hub has no root file yet', 'give it one: weir key init');
  });

  app.get('/v1/roots', async (request): Promise<z.infer<typeof rootsAnswerSchema>> => {
    await requireDevice(request);
    return { roots: await rootsAfter(store, read(rootsQuery, request).after) };
  });

  app.get('/v1/releases/:hash', async (request, reply) => {
    await requireDevice(request);
    const { hash } = request.params as { hash: string };
    const release = HASH_PATTERN.test(hash) ? await releaseOf(store, hash) : undefined;
    if (release !== undefined) return reply.type('application/json').send(release);
    throw new TrustError('release-unknown', 'nobody has signed a bundle with this hash', 'deploy it from its source');
  });
}

function read<T>(schema: z.ZodType<T>, request: FastifyRequest): T {
  const parsed = schema.safeParse(request.query);
  if (parsed.success) return parsed.data;
  throw new UsageError('request-invalid', parsed.error.issues[0]!.message, 'give a number');
}
