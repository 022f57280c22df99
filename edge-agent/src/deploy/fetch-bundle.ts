import { createHash } from 'node:crypto';
import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { BUNDLE_BYTES_MAX } from '@weir/protocols';
import type { Identity, KeyAndCertificate } from '../identity/identity.ts';
import { HubTrust, type TrustedTime } from '../identity/trust.ts';

/**
 * Fetches bundles from the hub with the device's certificate.
 * @returns a function that gets a bundle by its hash; it throws when the hub is away, the bundle is longer than
 * announced, or its hash is another
 */
export function bundleFetcher(
  { hub, ca }: Pick<Identity, 'hub' | 'ca'>,
  shown: () => KeyAndCertificate,
  timeoutMs: number,
  time?: TrustedTime,
): (hash: string, bytes: number) => Promise<Uint8Array> {
  const trust = new HubTrust(ca, new URL(hub).hostname.replace(/^\[|\]$/g, ''), time);
  return async (hash, bytes) => {
    const bytesMax = Math.min(bytes, BUNDLE_BYTES_MAX);
    const attempt = () => get(new URL(`/v1/bundles/${hash}`, hub), { shown: shown(), trust }, bytesMax, timeoutMs);
    const body = await attempt().catch((error) => {
      if (trust.failed(error)) return attempt();
      throw error;
    });
    const found = createHash('sha256').update(body).digest('hex');
    if (found !== hash) throw new Error(`the bundle's hash is ${found}, not ${hash}`);
    return body;
  };
}

function get(
  url: URL,
  { trust, shown: { key, certificate: cert } }: { shown: KeyAndCertificate; trust: HubTrust },
  bytesMax: number,
  timeoutMs: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { key, cert, ...trust.options(), agent: false, signal: AbortSignal.timeout(timeoutMs) };
    const outgoing = request(url, options, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        reject(new Error(`the hub answered ${response.statusCode} for the bundle`));
        return;
      }
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > bytesMax) outgoing.destroy(new Error(`the bundle is longer than ${bytesMax} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve(Buffer.concat(chunks)));
      response.on('error', reject);
    });
    outgoing.on('socket', (socket) => trust.guard(socket as TLSSocket, (fault) => outgoing.destroy(fault)));
    outgoing.on('error', reject);
    outgoing.end();
  });
}
