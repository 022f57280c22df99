/**
 * A text that only the holder of one P-256 key can open.
 *
 *     shared = ECDH(ephemeral, recipient)
 *     key, nonce = HKDF-SHA256(shared, salt = ephemeral public || recipient public, info = binding)      32 + 12 bytes
 *     sealed = AES-256-GCM(key, nonce, text, aad = binding) || tag
 *
 * The ephemeral key is used once, so key and nonce are too. Public keys are SubjectPublicKeyInfo.
 *
 * @see SEC 1 section 5.1 (ECIES), RFC 5869
 */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import type { SealedBox } from '@weir/protocols';

const CURVE = 'prime256v1';
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param binding must be the same to open it */
export function sealBox(text: string, recipient: KeyObject, binding: readonly string[]): SealedBox {
  const pair = generateKeyPairSync('ec', { namedCurve: CURVE });
  const ephemeral = spkiOf(pair.publicKey);
  const shared = diffieHellman({ privateKey: pair.privateKey, publicKey: recipient });
  const { key, nonce, aad } = derived(shared, ephemeral, spkiOf(recipient), binding);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(aad);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { ephemeral: ephemeral.toString('base64'), sealed: sealed.toString('base64') };
}

/** @throws when it is for another key, bound to something else, or was changed */
export function openBox(box: SealedBox, recipient: KeyObject, binding: readonly string[]): string {
  const ephemeral = Buffer.from(box.ephemeral, 'base64');
  const publicKey = createPublicKey({ key: ephemeral, format: 'der', type: 'spki' });
  const shared = diffieHellman({ privateKey: recipient, publicKey });
  const { key, nonce, aad } = derived(shared, ephemeral, spkiOf(createPublicKey(recipient)), binding);
  const sealed = Buffer.from(box.sealed, 'base64');
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(Math.max(0, end)));
  return Buffer.concat([decipher.update(sealed.subarray(0, Math.max(0, end))), decipher.final()]).toString('utf8');
}

function derived(shared: Buffer, ephemeral: Buffer, recipient: Buffer, binding: readonly string[]) {
  // No two lists have one text.
  const aad = Buffer.from(JSON.stringify(binding));
  const salt = Buffer.concat([ephemeral, recipient]);
  const bytes = Buffer.from(hkdfSync('sha256', shared, salt, aad, KEY_BYTES + NONCE_BYTES));
  return { key: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES), aad };
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}
