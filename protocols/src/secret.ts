/**
 * Secrets of groups on their way to a device.
 *
 *     GET /v1/secrets   -> SecretsAnswer     client certificate of the device
 *
 * Each is encrypted to the key of the very certificate that was shown: ephemeral ECDH on P-256, HKDF-SHA256 and
 * AES-256-GCM, bound to device, group, name and version. The shadow `weir` says only which revision there is.
 */
import { z } from 'zod';
import { HASH_PATTERN } from './function/manifest.ts';
import { NAME_PATTERN } from './reading.ts';

/** Shorter is guessed, and would be found by chance in what servers answer, where it is put out of sight. */
export const SECRET_CHARS_MIN = 8;
/** It goes into a header or a URL, of which servers take no more. */
export const SECRET_CHARS_MAX = 4_096;
/** Of one group. */
export const SECRETS_PER_GROUP_MAX = 64;
/** Of one device: of all its groups. */
export const SECRETS_PER_DEVICE_MAX = 512;

/** What only the holder of a key can open. */
export const sealedBoxSchema = z.object({
  /** Public key that was made for this box alone: SubjectPublicKeyInfo, base64. */
  ephemeral: z.base64().max(256),
  /** Ciphertext and the tag of 16 bytes behind it, base64. */
  sealed: z.base64().max(8 * SECRET_CHARS_MAX),
});
export type SealedBox = z.infer<typeof sealedBoxSchema>;

const sealedSecretSchema = sealedBoxSchema.extend({
  name: z.string().regex(NAME_PATTERN),
  group: z.string().regex(NAME_PATTERN),
  /** Counts how often it was set. */
  version: z.int().min(1),
});
export type SealedSecret = z.infer<typeof sealedSecretSchema>;

export const secretsAnswerSchema = z.object({
  /** Names this set of secrets; says nothing about them. */
  revision: z.string().regex(HASH_PATTERN),
  secrets: z.array(sealedSecretSchema).max(SECRETS_PER_DEVICE_MAX),
});
export type SecretsAnswer = z.infer<typeof secretsAnswerSchema>;

/** To what a secret is bound: opened as another, for another device or as an older version it does not open. */
export function secretBinding(device: string, secret: Pick<SealedSecret, 'group' | 'name' | 'version'>): string[] {
  return ['weir-secret', '1', device, secret.group, secret.name, String(secret.version)];
}
