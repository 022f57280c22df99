/**
 * How secrets lie in the store: AES-256-GCM under a key that is not in it, bound to group, name and version, so that whoever
 * can write to the store cannot put one secret in the place of another.
 *
 *     nonce (12 bytes) || ciphertext || tag (16 bytes)
 *
 *     <data>/secrets.key     32 bytes, base64; made at the first start, for its owner alone
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { join } from 'node:path';
import { readIfThere, UsageError, writeSecretFile } from '@weir/runtime';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
/** Random: of one key there are never the 2^32 for which that would be too few. @see NIST SP 800-38D section 8.3 */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @throws {UsageError} `secrets-key-damaged` */
export async function openSecretsKey(folder: string, random: (bytes: number) => Uint8Array): Promise<Uint8Array> {
  const file = join(folder, 'secrets.key');
  const kept = await readIfThere(file);
  if (kept === undefined) {
    const made = random(KEY_BYTES);
    await writeSecretFile(file, `${Buffer.from(made).toString('base64')}\n`);
    return made;
  }
  const key = Buffer.from(kept.trim(), 'base64');
  if (key.length === KEY_BYTES) return key;
  throw new UsageError(
    'secrets-key-damaged',
    `${file} holds no key of ${KEY_BYTES} bytes`,
    'restore it from a backup; without it delete it, and set all secrets again',
  );
}

export class AtRest {
  readonly #key: Uint8Array;
  readonly #random: (bytes: number) => Uint8Array;

  constructor(key: Uint8Array, random: (bytes: number) => Uint8Array) {
    this.#key = key;
    this.#random = random;
  }

  seal(text: string, binding: readonly (string | number)[]): string {
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(aadOf(binding));
    return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
  }

  /** @throws when it was changed, is something else's, or was sealed under another key */
  open(sealed: string, binding: readonly (string | number)[]): string {
    const bytes = Buffer.from(sealed, 'base64');
    const end = Math.max(NONCE_BYTES, bytes.length - TAG_BYTES);
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES }).setAAD(aadOf(binding));
    decipher.setAuthTag(bytes.subarray(end));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]).toString('utf8');
  }
}

function aadOf(binding: readonly (string | number)[]): Buffer {
  return Buffer.from(JSON.stringify(binding));
}
