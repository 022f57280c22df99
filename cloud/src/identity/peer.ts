import type { TLSSocket } from 'node:tls';

export interface Peer {
  /** Common name of the certificate. */
  device: string;
  /** Hexadecimal, upper case. */
  serial: string;
}

/** @returns undefined when the other end showed no certificate, or none that our CA signed. */
export function peerOf(socket: TLSSocket): Peer | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  const device = certificate.subject?.CN;
  if (typeof device !== 'string') return undefined;
  return { device, serial: certificate.serialNumber.toUpperCase() };
}
