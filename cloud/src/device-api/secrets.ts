/** `GET /v1/secrets`: what a device is to have of the secrets of its groups. */
import type { TLSSocket } from 'node:tls';
import type { SecretsAnswer } from '@weir/protocols';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Peer } from '../identity/peer.ts';
import type { Secrets } from '../secrets/secrets.ts';

/** @param requireDevice who asks. @throws {UsageError} when it is nobody who may */
export function registerSecrets(
  app: FastifyInstance,
  secrets: Pick<Secrets, 'answer'>,
  requireDevice: (request: FastifyRequest) => Promise<Peer>,
): void {
  app.get('/v1/secrets', async (request, reply): Promise<SecretsAnswer> => {
    const { device } = await requireDevice(request);
    reply.header('cache-control', 'no-store');
    // While a certificate is renewed there are two: the one that was shown is the one whose key is at hand.
    return secrets.answer(device, (request.raw.socket as TLSSocket).getPeerX509Certificate()!.publicKey);
  });
}
