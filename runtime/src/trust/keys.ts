/** Keys of ed25519, as raw bytes: a seed of 32, which is secret, and a public key of 32, whose SHA-256 is its name. */
import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';

export interface SigningKey {
  /** SHA-256 of the raw public key, hex. */
  readonly keyid: string;
  /** Raw, base64: as a root file has it. */
  readonly public: string;
  sign(message: Uint8Array): Uint8Array;
}

export const SEED_BYTES = 32;

/** What stands before the seed in PKCS #8, and before the public key in SPKI. @see RFC 8410 */
const SEED_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** @param seed {@link SEED_BYTES} of chance, to be kept secret: who has it can sign */
export function signingKeyOf(seed: Uint8Array): SigningKey {
  const key = createPrivateKey({ key: Buffer.concat([SEED_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const raw = spki.subarray(PUBLIC_PREFIX.length);
  return {
    keyid: sha256(raw),
    public: raw.toString('base64'),
    sign: (message) => sign(null, message, key),
  };
}

/** @param publicKey raw, base64 */
export function keyIdOf(publicKey: string): string {
  return sha256(Buffer.from(publicKey, 'base64'));
}

/** @param publicKey raw, base64 */
export function isSignedBy(publicKey: string, message: Uint8Array, signature: Uint8Array): boolean {
  const spki = Buffer.concat([PUBLIC_PREFIX, Buffer.from(publicKey, 'base64')]);
  return verify(null, message, createPublicKey({ key: spki, format: 'der', type: 'spki' }), signature);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
