/** Whom a command believes to be the hub. */
import { createHash } from 'node:crypto';
import { connect, type DetailedPeerCertificate, setDefaultCACertificates } from 'node:tls';
import { Failure, Misuse } from './failure.ts';

const TIMEOUT_MS = 10_000;
/** A chain of more is none that a hub shows. */
const CHAIN_MAX = 10;

/** From now on nobody is believed but who shows a certificate of this authority, for the name that was asked for. */
export function trustOnly(ca: string): void {
  try {
    setDefaultCACertificates([ca]);
  } catch (error) {
    throw new Misuse(`the certificate authority cannot be read: ${(error as Error).message}`, 'it has to be PEM');
  }
}

/** @param text SHA-256 of a certificate's DER, base64url as the hub prints it, or hex. @throws {Misuse} */
export function parsePin(text: string): string {
  const hex = text.replaceAll(':', '');
  if (/^[0-9a-f]{64}$/i.test(hex)) return Buffer.from(hex, 'hex').toString('base64url');
  if (/^[\w-]{43}$/.test(text)) return text;
  throw new Misuse(`"${text}" is no SHA-256`, 'the hub prints it with each API key; 43 characters, or 64 in hex');
}

/**
 * Asks the server for its chain, and takes from it the authority with this hash. Nothing else is believed here: that
 * the server's own certificate is from it is checked by the connections that follow.
 *
 * @returns PEM. @throws {Failure}
 */
export async function fetchCa(url: URL, pin: string): Promise<string> {
  const chain = await chainOf(url);
  const found = chain.find((der) => createHash('sha256').update(der).digest('base64url') === pin);
  if (found === undefined) {
    throw new Failure(
      `${url.origin} does not show the certificate authority with this hash`,
      'is it the hub that the key is from? Its hash is printed with each API key',
    );
  }
  const lines = found.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function chainOf(url: URL): Promise<Buffer[]> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? 443 : Number(url.port);
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      socket.destroy();
      reject(new Failure(`no hub answers at ${url.origin} with TLS: ${why}`, 'is it running, and is it https?'));
    };
    const isName = !/^[\d.]+$|:/.test(host);
    const socket = connect({ host, port, rejectUnauthorized: false, ...(isName && { servername: host }) }, () => {
      const chain: Buffer[] = [];
      let each: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
      while (each?.raw !== undefined && chain.length < CHAIN_MAX) {
        chain.push(each.raw);
        each = each.issuerCertificate === each ? undefined : each.issuerCertificate;
      }
      socket.destroy();
      resolve(chain);
    });
    socket.setTimeout(TIMEOUT_MS, () => fail('it does not answer in time'));
    socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
  });
}
