/** Fetches bundles, and what is signed about them, from the hub by HTTPS, with the device's certificate. */
import { createHash } from 'node:crypto';
import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import {
  BUNDLE_BYTES_MAX,
  deploymentAnswerSchema,
  ENVELOPE_BYTES_MAX,
  rootsAnswerSchema,
  SECRET_CHARS_MAX,
  SECRETS_PER_DEVICE_MAX,
  type SecretsAnswer,
  secretsAnswerSchema,
} from '@weir/protocols';
import type { z } from 'zod';
import type { Identity, KeyAndCertificate } from '../identity/identity.ts';
import { HubTrust, type TrustedTime } from '../identity/trust.ts';
import { RefusedError } from '../trust/refused-error.ts';
import type { HubFiles } from '../trust/trust.ts';

/** An envelope as a text within JSON, where each quotation mark is two characters. */
const IN_JSON = 2;
/** As many as the hub gives at once. */
const ROOTS_PER_ANSWER = 16;
/** A character may be four bytes, and three bytes are four of base64. */
const SECRETS_BYTES_MAX = 6 * SECRET_CHARS_MAX * SECRETS_PER_DEVICE_MAX;
const FAULT_BYTES_MAX = 4_096;

interface Asked {
  path: string;
  /** What the errors say of it. */
  what: string;
  bytesMax: number;
}

async function nobody(): Promise<never> {
  const reason = 'the device is enrolled with no hub to fetch it from: weir-agent join URL --token T';
  throw new RefusedError({ code: 'no-root', reason });
}

/** Of a device that has no hub, as one may be that has AWS IoT Core alone: there is nothing to fetch. */
export const noHubFiles: HubFiles = { deployment: nobody, roots: nobody, release: nobody, bundle: nobody };

/** Each throws when the hub is away or refuses. */
export function hubFiles(
  { hub, ca }: Pick<Identity, 'hub' | 'ca'>,
  shown: () => KeyAndCertificate,
  timeoutMs: number,
  time?: TrustedTime,
): HubFiles & { secrets(): Promise<SecretsAnswer> } {
  const trust = new HubTrust(ca, new URL(hub).hostname.replace(/^\[|\]$/g, ''), time);
  const fetch = async (asked: Asked): Promise<Buffer> => {
    const attempt = () => get(new URL(asked.path, hub), { shown: shown(), trust }, asked, timeoutMs);
    return attempt().catch((error) => {
      if (trust.failed(error)) return attempt();
      throw error;
    });
  };
  return {
    async deployment(known) {
      const what = 'what is to run';
      const bytesMax = IN_JSON * ENVELOPE_BYTES_MAX.deployment;
      return read(deploymentAnswerSchema, what, await fetch({ path: `/v1/deployment?known=${known}`, what, bytesMax }));
    },
    async roots(after) {
      const what = 'the root files';
      const bytesMax = IN_JSON * ROOTS_PER_ANSWER * ENVELOPE_BYTES_MAX.root;
      return read(rootsAnswerSchema, what, await fetch({ path: `/v1/roots?after=${after}`, what, bytesMax })).roots;
    },
    async secrets() {
      const what = 'the secrets';
      return read(secretsAnswerSchema, what, await fetch({ path: '/v1/secrets', what, bytesMax: SECRETS_BYTES_MAX }));
    },
    async release(hash) {
      const bytesMax = ENVELOPE_BYTES_MAX.release;
      return (await fetch({ path: `/v1/releases/${hash}`, what: 'the release', bytesMax })).toString('utf8');
    },
    async bundle(hash, bytes) {
      const bytesMax = Math.min(bytes, BUNDLE_BYTES_MAX);
      const body = await fetch({ path: `/v1/bundles/${hash}`, what: 'the bundle', bytesMax });
      const found = createHash('sha256').update(body).digest('hex');
      if (found === hash) return body;
      throw new RefusedError({ code: 'hash-mismatch', reason: `the bundle's hash is ${found}, not ${hash}` });
    },
  };
}

function get(
  url: URL,
  { trust, shown: { key, certificate: cert } }: { shown: KeyAndCertificate; trust: HubTrust },
  { what, bytesMax }: Asked,
  timeoutMs: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { key, cert, ...trust.options(), agent: false, signal: AbortSignal.timeout(timeoutMs) };
    const outgoing = request(url, options, (response) => {
      const status = response.statusCode ?? 0;
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (status !== 200 && length > FAULT_BYTES_MAX) outgoing.destroy(new Error(`the hub answered ${status}`));
        else if (status === 200 && length > bytesMax) {
          outgoing.destroy(new RefusedError({ code: 'too-long', reason: `${what} has more than ${bytesMax} bytes` }));
        } else chunks.push(chunk);
      });
      response.on('end', () => {
        const body = Buffer.concat(chunks);
        if (status === 200) resolve(body);
        else reject(faultOf(status, what, body.toString('utf8')));
      });
      response.on('error', reject);
    });
    outgoing.on('socket', (socket) => trust.guard(socket as TLSSocket, (fault) => outgoing.destroy(fault)));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** It was revoked, or the device was removed. */
export class CertificateRefused extends Error {
  constructor() {
    super('the hub does not take the certificate of this device: it was revoked, or the device was removed');
    this.name = 'CertificateRefused';
  }
}

/** What is not there because nobody has signed is no fault of the line. */
function faultOf(status: number, what: string, body: string): Error {
  const code = codeIn(body);
  if (code === 'root-missing') return new RefusedError({ code: 'no-root', reason: 'the hub has no root file yet' });
  if (code === 'certificate-needed') return new CertificateRefused();
  if (code === 'release-unknown') return new RefusedError({ code: 'unsigned', reason: 'the hub has no release of it' });
  return new Error(`the hub answered ${status} for ${what}`);
}

function codeIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { error?: { code?: unknown } } | null)?.error?.code;
  } catch {
    return undefined;
  }
}

function read<T>(schema: z.ZodType<T>, what: string, body: Buffer): T {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    parsed = undefined;
  }
  const checked = schema.safeParse(parsed);
  if (checked.success) return checked.data;
  throw new RefusedError({ code: 'malformed', reason: `the hub's answer for ${what} is not understood` });
}
