import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

export interface Peer {
  /** Common name of the certificate. */
  device: string;
  /** Hexadecimal, upper case. */
  serial: string;
  /** SHA-256 of the certificate, hexadecimal, lower case. */
  fingerprint: string;
  /** When it begins, ms since epoch. */
  validFrom: number;
  /** SPKI, base64. */
  publicKey(): string;
  /** Of the other end. */
  address: string;
}

/** @returns undefined when the other end showed no certificate, or none that our CA signed. */
export function peerOf(socket: TLSSocket): Peer | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  const device = certificate.subject?.CN;
  if (typeof device !== 'string') return undefined;
  return named(device, certificate, Date.parse(certificate.valid_from), socket);
}

/**
 * Whom a certificate names that our CA signed and that has come to its end: the key was shown all the same.
 * @param endedAfter ms since epoch; one that ended before counts no more
 */
export function expiredPeerOf(socket: TLSSocket, ca: string, endedAfter: number): Peer | undefined {
  const certificate = socket.getPeerX509Certificate();
  const authority = new X509Certificate(ca);
  // TLS tells one fault of several: that it is signed by us is looked at again.
  if (String(socket.authorizationError) !== 'CERT_HAS_EXPIRED' || certificate === undefined) return undefined;
  if (certificate.ca || !certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
    return undefined;
  if (certificate.validToDate.getTime() < endedAfter) return undefined;
  const device = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  return device === undefined ? undefined : named(device, certificate, certificate.validFromDate.getTime(), socket);
}

function named(
  device: string,
  certificate: Pick<X509Certificate, 'serialNumber' | 'fingerprint256' | 'raw'>,
  validFrom: number,
  { remoteAddress: address = '-' }: TLSSocket,
): Peer {
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  // Seldom asked for.
  const publicKey = () =>
    new X509Certificate(certificate.raw).publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  return { device, serial: certificate.serialNumber.toUpperCase(), fingerprint, validFrom, publicKey, address };
}
