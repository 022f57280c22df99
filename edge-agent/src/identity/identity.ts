/**
 * Who this device is: one file, so that key, certificate and hub always belong together.
 *
 *     <data>/credentials/identity.json     0600, replaced whole
 */
import { join } from 'node:path';
import { DEVICE_PATTERN } from '@weir/protocols';
import { readIfThere, UsageError, writeSecretFile } from '@weir/runtime';
import { z } from 'zod';

const keyAndCertificateSchema = z.object({
  /** PEM; made here, never leaves. */
  key: z.string(),
  certificate: z.string(),
});
export type KeyAndCertificate = z.infer<typeof keyAndCertificateSchema>;

const identitySchema = keyAndCertificateSchema.extend({
  version: z.literal(1),
  device: z.string().regex(DEVICE_PATTERN),
  /** Renewed, and not yet taken by the hub. */
  next: keyAndCertificateSchema.optional(),
  ca: z.string(),
  mqtt: z.object({ host: z.string(), port: z.int().min(1).max(65_535) }),
  /** Names this enrolment; absent: of an earlier agent. */
  enrolment: z.string().optional(),
  /** Text of the root file that came with it. */
  root: z.string().optional(),
  /** Where bundles are fetched, e.g. `https://hub:8443`. */
  hub: z.string(),
});
export type Identity = z.infer<typeof identitySchema>;

/** PEM, of what is in force and of what is next. */
export function keysOf({ key, next }: Pick<Identity, 'key' | 'next'>): string[] {
  return next === undefined ? [key] : [key, next.key];
}

function pathOf(data: string): string {
  return join(data, 'credentials', 'identity.json');
}

/** @returns undefined when the device is not enrolled @throws {UsageError} `identity-damaged` */
export async function readIdentity(data: string): Promise<Identity | undefined> {
  const text = await readIfThere(pathOf(data));
  if (text === undefined) return undefined;
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new UsageError(
      'identity-damaged',
      `${pathOf(data)} cannot be understood`,
      'enrol the device again with weir-agent join --force',
      { cause },
    );
  }
}

/** Durable when it resolves; a crash before leaves what was there. */
export function writeIdentity(data: string, identity: Identity): Promise<void> {
  return writeSecretFile(pathOf(data), `${JSON.stringify(identity, null, 2)}\n`);
}
