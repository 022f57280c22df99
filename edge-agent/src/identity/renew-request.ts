import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { renewAnswerSchema } from '@weir/protocols';
import type { Identity, KeyAndCertificate } from './identity.ts';
import { HubTrust, type TrustedTime } from './trust.ts';

const ANSWER_BYTES_MAX = 64 * 1024;
/** Of an answer that is not in the hub's own words. */
const SAID_CHARS_MAX = 300;

/** The hub is away, or refuses. */
export class RenewalError extends Error {
  readonly code: 'hub-unreachable' | 'renewal-refused';
  readonly remedy: string;

  constructor(code: RenewalError['code'], message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RenewalError';
    this.code = code;
    this.remedy = remedy;
  }
}

/**
 * Asks the hub for a certificate, with the one that the device has.
 * @returns a function of the request, PEM, that gives the certificate, PEM; it throws {@link RenewalError}
 */
export function renewalRequester(
  { hub, ca }: Pick<Identity, 'hub' | 'ca'>,
  shown: () => KeyAndCertificate,
  timeoutMs: number,
  time?: TrustedTime,
): (csr: string) => Promise<string> {
  const trust = new HubTrust(ca, new URL(hub).hostname.replace(/^\[|\]$/g, ''), time);
  return async (csr) => {
    const url = new URL('/v1/renew', hub);
    const attempt = () => post(url, shown(), trust, JSON.stringify({ csr }), timeoutMs);
    const text = await attempt()
      .catch((error) => {
        if (trust.failed(error)) return attempt();
        throw error;
      })
      .catch((error) => {
        throw error instanceof RenewalError ? error : unreachable(url, error, timeoutMs);
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
        else reject(refused(response.statusCode, text));
      });
      response.on('error', reject);
    });
    outgoing.on('socket', (socket) => trust.guard(socket as TLSSocket, (fault) => outgoing.destroy(fault)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function unreachable({ host }: URL, cause: NodeJS.ErrnoException, timeoutMs: number): RenewalError {
  const { code = '', name, message } = cause;
  // What has many addresses has an error without a message.
  const known = name === 'AbortError' || name === 'TimeoutError' ? 'no answer' : FAULTS[code];
  const why = known === 'no answer' ? `no answer within ${timeoutMs / 1_000} s` : known && `${known} (${code})`;
  return new RenewalError(
    'hub-unreachable',
    `the hub at ${host} cannot be reached: ${why ?? (message || code)}`,
    'the certificate that the device has stays in use, and the agent renews it by itself when it is due; ' +
      'to see what is amiss with the hub or the way to it: weir-agent doctor',
    { cause },
  );
}

const FAULTS: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was broken off',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ENOTFOUND: 'nobody knows this name',
  EAI_AGAIN: 'the name could not be looked up',
  ETIMEDOUT: 'it does not answer',
};

/** @param text JSON as the hub writes it, or what something between says */
function refused(status: number | undefined, text: string): RenewalError {
  let said: { message?: unknown; remedy?: unknown } = {};
  try {
    said = (JSON.parse(text) as { error?: typeof said }).error ?? {};
  } catch {
    // Not the hub's own words.
  }
  const what = typeof said.message === 'string' ? said.message : `${status} ${text.slice(0, SAID_CHARS_MAX)}`.trim();
  const remedy = typeof said.remedy === 'string' ? said.remedy : 'see the log of the hub';
  return new RenewalError('renewal-refused', `the hub gave no certificate: ${what}`, remedy);
}
