/** A device for tests: makes its key as an agent would, and has it signed. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { Identity } from './identity.ts';

export interface DeviceFixture {
  device: string;
  /** PEM. */
  key: string;
  cert: string;
  serial: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export async function makeDeviceKey(): Promise<{ key: string; csr: string }> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const der = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name: 'CN=x', keys, signingAlgorithm: ALGORITHM });
  return { key: x509.PemConverter.encode(der, x509.PemConverter.PrivateKeyTag), csr: csr.toString('pem') };
}

/** @param at when it was signed, ms since epoch */
export async function signedDevice(identity: Identity, device: string, at = Date.now()): Promise<DeviceFixture> {
  const { key, csr } = await makeDeviceKey();
  const { certificate, serial } = await identity.signDevice(csr, device, at);
  return { device, key, cert: certificate, serial };
}
