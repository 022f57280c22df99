/** A certificate authority, and certificates from it, for tests. */
import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

type CryptoKey = webcrypto.CryptoKey;
export type Authority = Awaited<ReturnType<typeof makeAuthority>>;

export interface CertificateChanges {
  notBefore?: Date;
  notAfter?: Date;
  usage?: 'client';
}

export async function makeAuthority(name: string, validity: Pick<CertificateChanges, 'notBefore'> = {}) {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
    ...validity,
  });
  const sign = async (
    subject: string,
    publicKey: CryptoKey,
    addresses: string[] = [],
    { usage, ...ofCertificate }: CertificateChanges = {},
  ) => {
    const names = addresses.map((value) => ({ type: 'ip' as const, value }));
    const extensions = [
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
      ...(usage === 'client' ? [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])] : []),
    ];
    const signed = await X509CertificateGenerator.create({
      subject: `CN=${subject}`,
      issuer: certificate.subject,
      publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions,
      ...ofCertificate,
    });
    return signed.toString('pem');
  };
  return {
    pem: certificate.toString('pem'),
    sha256: createHash('sha256').update(Buffer.from(certificate.rawData)).digest('base64url'),
    sign,
    /** A key and its certificate, PEM. */
    async issue(subject: string, addresses: string[] = [], changes: CertificateChanges = {}) {
      const pair = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
      const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey), 'PRIVATE KEY');
      return { key, certificate: await sign(subject, pair.publicKey, addresses, changes) };
    },
  };
}
