/**
 * Checks AWS Signature Version 4: the request is signed again with the key that the hub knows, and the two compared.
 *
 * @see AWS IAM user guide, "Signature Version 4 signing process"
 */
import { createHash, createHmac, type Hash, type Hmac, timingSafeEqual } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Access, IotCredentials, Principal } from '../access/access.ts';

export interface SignedRequest {
  method: string;
  /** As on the request line: still percent-encoded, with its query. */
  url: string;
  headers: Record<string, string | string[] | undefined>;
  body: Uint8Array;
}

/** Clocks of caller and hub may differ by this. @see AWS: requests expire after five minutes */
const SKEW_MS_MAX = 5 * 60_000;
/** The SDK says the first; the guide says the second for requests signed by hand. */
const SERVICES = ['iotdata', 'iotdevicegateway'];

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request,\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/;
const AMZ_DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

export const MISSING = 'Missing Authentication Token';
export const UNKNOWN = 'The security token included in the request is invalid';

/** @returns who signed the request, or in words what is wrong with it */
export async function signerOf(
  request: SignedRequest,
  credentialsOf: Access['credentialsOf'],
  now: number,
): Promise<Principal | string> {
  const match = AUTHORIZATION.exec(header(request, 'authorization') ?? '');
  if (match === null) return MISSING;
  const [, accessKeyId, day, region, service, signedHeaders, signature] = match as unknown as string[];
  if (!SERVICES.includes(service!)) return `Credential should be scoped to service: ${SERVICES.join(' or ')}`;
  const date = header(request, 'x-amz-date') ?? '';
  const signedAt = parseAmzDate(date);
  if (signedAt === undefined || !date.startsWith(day!)) return 'x-amz-date is missing or not of the credential scope';
  if (Math.abs(now - signedAt) > SKEW_MS_MAX) return `Signature expired: ${date} is not within 5 minutes of now`;
  const names = signedHeaders!.split(';');
  if (!names.includes('host') || !names.includes('x-amz-date')) return 'host and x-amz-date must be signed headers';
  const bodyHash = header(request, 'x-amz-content-sha256');
  if (bodyHash !== undefined && bodyHash !== createHash('sha256').update(request.body).digest('hex')) {
    return 'x-amz-content-sha256 is not the hash of the body';
  }
  const known = credentialsOf(accessKeyId!);
  if (known === undefined) return UNKNOWN;
  const credentials = { accessKeyId: accessKeyId!, secretAccessKey: known.secretAccessKey };
  const expected = await sign(request, names, credentials, { signedAt, region: region!, service: service! });
  if (timingSafeEqual(Buffer.from(expected), Buffer.from(signature!))) return known.principal;
  return 'The request signature we calculated does not match the signature you provided';
}

/** Who says to have signed; nothing is checked yet. */
export function accessKeyIdOf(authorization: string | undefined): string | undefined {
  return AUTHORIZATION.exec(authorization ?? '')?.[1];
}

async function sign(
  request: SignedRequest,
  names: readonly string[],
  credentials: IotCredentials,
  scope: { signedAt: number; region: string; service: string },
): Promise<string> {
  const url = new URL(request.url, 'http://hub');
  const headers: Record<string, string> = {};
  for (const name of names) headers[name] = header(request, name) ?? '';
  const signer = new SignatureV4({
    credentials,
    region: scope.region,
    service: scope.service,
    sha256: Sha256,
    applyChecksum: false,
  });
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: 'http:',
      hostname: '',
      // The path as it came: `URL` would decode nothing, but would resolve dots.
      path: request.url.split('?', 1)[0]!,
      query: queryOf(url),
      headers,
      body: request.body,
    },
    { signingDate: new Date(scope.signedAt), signableHeaders: new Set(names) },
  );
  return signed.headers.authorization!.slice(-64);
}

function queryOf(url: URL): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  for (const name of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(name);
    query[name] = values.length === 1 ? values[0]! : values;
  }
  return query;
}

function header({ headers }: SignedRequest, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}

function parseAmzDate(text: string): number | undefined {
  const match = AMZ_DATE.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match.map(Number) as number[];
  return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!);
}

/** SHA-256, keyed when given a secret, in the shape that the signer wants. */
class Sha256 {
  #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', keyOf(secret));
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    throw new Error('used once');
  }
}

function keyOf(secret: string | ArrayBuffer | ArrayBufferView): string | Uint8Array {
  if (typeof secret === 'string') return secret;
  if (secret instanceof ArrayBuffer) return new Uint8Array(secret);
  return new Uint8Array(secret.buffer, secret.byteOffset, secret.byteLength);
}
