/**
 * Who is who: the hub's own certificate authority.
 *
 *     <folder>/ca.key, ca.crt            made at the first start; losing them means enrolling every device again
 *     <folder>/server.key, server.crt    made again when the hosts change or the end comes near
 */
import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { makePrivateFolder, readIfThere, UsageError, writeSecretFile } from '@weir/runtime';
import {
  hostsOf,
  type KeyedCertificate,
  makeCa,
  makeDevice,
  makeServer,
  parseKeyed,
  type Signing,
} from './certificates.ts';

export interface ServerCredentials {
  key: string;
  /** PEM of the server's certificate followed by the CA's, so that a device can compare the CA with its token. */
  cert: string;
}

export interface SignedDevice {
  /** PEM. */
  certificate: string;
  /** Hexadecimal, upper case. */
  serial: string;
  /** Of the device, SPKI in base64. */
  publicKey: string;
  /** When it begins, ms since epoch; whole seconds, as it is written there. */
  validFrom: number;
}

export interface Identity {
  /** PEM. */
  readonly ca: string;
  /** SHA-256 of the CA certificate's DER, base64url: what join tokens pin. */
  readonly caSha256: string;
  server(): ServerCredentials;
  /** Makes the server's certificate again if its end is near. @returns true when it did. */
  renew(now: number): Promise<boolean>;
  /**
   * Signs a device's key. The subject of the request is ignored: the hub names the device.
   * @throws {UsageError} `csr-invalid`
   */
  signDevice(csr: string, device: string, now: number): Promise<SignedDevice>;
}

/** A month before its end; a hub that is started once a week still makes it. */
const RENEW_BEFORE_MS = 30 * 86_400_000;

/** @param options.hosts names and addresses under which devices reach the hub, the preferred one first */
export async function openIdentity(options: {
  folder: string;
  hosts: readonly string[];
  now: number;
  random: (bytes: number) => Uint8Array;
}): Promise<Identity> {
  await makePrivateFolder(options.folder);
  const ca = await readOrMakeCa(options.folder, options);
  const identity = new FileIdentity(options.folder, options.hosts, ca, options.random);
  await identity.renew(options.now);
  return identity;
}

class FileIdentity implements Identity {
  readonly ca: string;
  readonly caSha256: string;
  #folder: string;
  #random: Signing['random'];
  #hosts: readonly string[];
  #signer: KeyedCertificate;
  #server: KeyedCertificate | undefined;

  constructor(folder: string, hosts: readonly string[], ca: KeyedCertificate, random: Signing['random']) {
    this.#random = random;
    this.#folder = folder;
    this.#hosts = hosts;
    this.#signer = ca;
    this.ca = pem(ca.certificate);
    this.caSha256 = createHash('sha256').update(Buffer.from(ca.certificate.rawData)).digest('base64url');
  }

  server(): ServerCredentials {
    const { certificate, keyPem } = this.#server!;
    return { key: keyPem, cert: pem(certificate) + this.ca };
  }

  async renew(now: number): Promise<boolean> {
    const kept = this.#server ?? (await readPair(this.#folder, 'server'));
    if (kept !== undefined && this.#isGood(kept, now)) {
      this.#server = kept;
      return false;
    }
    const made = await makeServer(this.#signer, this.#hosts, { now, random: this.#random });
    await writePair(this.#folder, 'server', made);
    this.#server = made;
    return true;
  }

  async signDevice(csr: string, device: string, now: number): Promise<SignedDevice> {
    const key = await verifiedKey(csr);
    const certificate = await makeDevice(this.#signer, key, device, { now, random: this.#random });
    const publicKey = Buffer.from(key.rawData).toString('base64');
    const validFrom = certificate.notBefore.getTime();
    return { certificate: pem(certificate), serial: certificate.serialNumber.toUpperCase(), publicKey, validFrom };
  }

  #isGood({ certificate }: KeyedCertificate, now: number): boolean {
    const hosts = new Set(hostsOf(certificate));
    return (
      certificate.notAfter.getTime() - now > RENEW_BEFORE_MS &&
      certificate.issuer === this.#signer.certificate.subject &&
      hosts.size === new Set(this.#hosts).size &&
      this.#hosts.every((host) => hosts.has(host))
    );
  }
}

async function verifiedKey(csr: string): Promise<x509.PublicKey> {
  let request: x509.Pkcs10CertificateRequest;
  let signed: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(csr);
    signed = await request.verify();
  } catch (error) {
    throw invalidCsr('it cannot be read', { cause: error });
  }
  if (!signed) throw invalidCsr('its signature is not that of its key');
  const { name, namedCurve } = request.publicKey.algorithm as { name: string; namedCurve?: string };
  if (name !== 'ECDSA' || namedCurve !== 'P-256') throw invalidCsr(`its key is ${name} ${namedCurve ?? ''}`.trim());
  return request.publicKey;
}

function invalidCsr(detail: string, options?: ErrorOptions): UsageError {
  return new UsageError(
    'csr-invalid',
    `the certificate signing request is refused: ${detail}`,
    'send a PKCS #10 request in PEM, made with an ECDSA P-256 key',
    options,
  );
}

/** The certificate is written last: without it there has been no CA yet. */
async function readOrMakeCa(folder: string, signing: Signing): Promise<KeyedCertificate> {
  if ((await readIfThere(join(folder, 'ca.crt'))) === undefined) await writePair(folder, 'ca', await makeCa(signing));
  const ca = await readPair(folder, 'ca');
  if (ca !== undefined) return ca;
  throw new UsageError(
    'ca-broken',
    `${join(folder, 'ca.key')} is missing or does not belong to ca.crt beside it`,
    'restore both from a backup; without them every device must be enrolled again with a new data folder',
  );
}

async function readPair(folder: string, name: string): Promise<KeyedCertificate | undefined> {
  const certificate = await readIfThere(join(folder, `${name}.crt`));
  const key = await readIfThere(join(folder, `${name}.key`));
  if (certificate === undefined || key === undefined) return undefined;
  const pair = await parseKeyed(certificate, key);
  return (await belongTogether(pair)) ? pair : undefined;
}

/** A crash while a server certificate is renewed leaves a new key beside the old certificate. */
async function belongTogether({ certificate, key }: KeyedCertificate): Promise<boolean> {
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const probe = new TextEncoder().encode('probe');
  const publicKey = await certificate.publicKey.export();
  return crypto.subtle.verify(algorithm, publicKey, await crypto.subtle.sign(algorithm, key, probe), probe);
}

async function writePair(folder: string, name: string, pair: KeyedCertificate): Promise<void> {
  await writeSecretFile(join(folder, `${name}.key`), pair.keyPem);
  await writeSecretFile(join(folder, `${name}.crt`), pem(pair.certificate));
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}
