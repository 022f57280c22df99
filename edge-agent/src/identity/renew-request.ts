import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { renewAnswerSchema } from '@weir/protocols';
import type { Identity, KeyAndCertificate } from './identity.ts';
import { HubTrust, type TrustedTime } from './trust.ts';

const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * Asks the hub for a certificate, with the one that the device has.
 * @returns a function of the request, PEM, that gives the certificate, PEM; it throws when the hub is away or refuses
 */
export function renewalRequester(
  { hub, ca }: Pick<Identity, 'hub' | 'ca'>,
  shown: () => KeyAndCertificate,
  timeoutMs: number,
  time?: TrustedTime,
): (csr: string) => Promise<string> {
  const trust = new HubTrust(ca, new URL(hub).hostname.replace(/^\[|\]$/g, ''), time);
  return async (csr) => {
    const attempt = () => post(new URL('/v1/renew', hub), shown(), trust, JSON.stringify({ csr }), timeoutMs);
    const text = await attempt().catch((error) => {
      if (trust.failed(error)) return attempt();
      throw error;
    });
    return renewAnswerSchema.parse(JSON.parse(text)).certificate;
  };
}

function post(
  url: URL,
  { key, certificate }: KeyAndCertificate,
  trust: HubTrust,
  body: string,
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, key, cert: certificate },
      ...{ ...trust.options(), agent: false, signal: AbortSignal.timeout(timeoutMs) },
    };
    const outgoing = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) outgoing.destroy(new Error('the answer of the hub is too long'));
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`the hub answered ${response.statusCode}: ${text.slice(0, 300)}`));
      });
      response.on('error', reject);
    });
    outgoing.on('socket', (socket) => trust.guard(socket as TLSSocket, (fault) => outgoing.destroy(fault)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
