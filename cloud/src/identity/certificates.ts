/** What goes into the certificates that the hub signs. ECDSA P-256 throughout. */
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** The CA is what devices pin; it outlives them. */
const CA_DAYS = 20 * 365;
const SERVER_DAYS = 365;
export const DEVICE_DAYS = 90;
/** A device without a battery clock may live a little in the past. */
const BACKDATED_MS = DAY_MS;

/** What signing needs of the world. */
export interface Signing {
  /** ms since epoch. */
  now: number;
  random: (bytes: number) => Uint8Array;
}

export interface KeyedCertificate {
  certificate: x509.X509Certificate;
  /** PKCS #8, PEM. */
  keyPem: string;
  key: webcrypto.CryptoKey;
}

export async function makeCa({ now, random }: Signing): Promise<KeyedCertificate> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(random),
    name: [{ CN: [`Weir hub CA ${Buffer.from(random(4)).toString('hex')}`] }],
    ...validity(now, CA_DAYS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, key: keys.privateKey, keyPem: await exportKey(keys.privateKey) };
}

/** @param hosts names and addresses under which devices reach the hub */
export async function makeServer(ca: KeyedCertificate, hosts: readonly string[], signing: Signing) {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await sign(ca, keys.publicKey, hosts[0]!, SERVER_DAYS, signing, [
    new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
    new x509.SubjectAlternativeNameExtension(
      hosts.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
    ),
  ]);
  return { certificate, key: keys.privateKey, keyPem: await exportKey(keys.privateKey) };
}

export async function makeDevice(ca: KeyedCertificate, key: x509.PublicKey, device: string, signing: Signing) {
  const usage = new x509.ExtendedKeyUsageExtension([CLIENT_AUTH]);
  return sign(ca, key, device, DEVICE_DAYS, signing, [usage]);
}

export async function parseKeyed(certificatePem: string, keyPem: string): Promise<KeyedCertificate> {
  const [der] = x509.PemConverter.decode(keyPem);
  const key = await crypto.subtle.importKey('pkcs8', der!, ALGORITHM, false, ['sign']);
  return { certificate: new x509.X509Certificate(certificatePem), key, keyPem };
}

/** DNS names and addresses that a server certificate is good for. */
export function hostsOf(certificate: x509.X509Certificate): string[] {
  const extension = certificate.getExtension(x509.SubjectAlternativeNameExtension);
  return extension?.names.items.map((name) => name.value) ?? [];
}

type PublicKey = webcrypto.CryptoKey | x509.PublicKey;

async function sign(
  ca: KeyedCertificate,
  publicKey: PublicKey,
  commonName: string,
  days: number,
  { now, random }: Signing,
  extensions: x509.Extension[],
): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.create({
    serialNumber: newSerial(random),
    subject: [{ CN: [commonName] }],
    issuer: ca.certificate.subject,
    ...validity(now, days),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: ca.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(ca.certificate.publicKey),
      ...extensions,
    ],
  });
}

/** 127 random bits; no leading zero, so that every library writes it in the same digits. */
function newSerial(random: Signing['random']): string {
  const bytes = Buffer.from(random(16));
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex').toUpperCase();
}

function validity(now: number, days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + days * DAY_MS) };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await crypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(der, x509.PemConverter.PrivateKeyTag)}\n`;
}
