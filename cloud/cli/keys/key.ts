/** A key that signs, from a file or from the environment of CI. */
import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { SigningKey } from '@weir/runtime';
import { Misuse } from '../failure.ts';
import { type KeyFile, openKeyFile, parseKeyFile } from './key-file.ts';
import { askPassphrase, type Terminal } from './passphrase.ts';

export interface Key {
  /** SHA-256 of the raw public key, hex. */
  keyid: string;
  /** The raw public key, base64: what is told to others. */
  public: string;
  isEncrypted: boolean;
  /** @throws {Misuse} without its passphrase */
  open(terminal: Terminal): Promise<SigningKey>;
}

const PUBLIC_BYTES = 32;
/** What precedes the 32 bytes of an ed25519 key in SubjectPublicKeyInfo. @see RFC 8410 section 4 */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export function keyOf(file: KeyFile, where: string): Key {
  const raw = rawOf(file.publicKey);
  const names = { keyid: keyidOf(raw), public: raw.toString('base64') };
  return {
    ...names,
    isEncrypted: file.isEncrypted,
    async open(terminal) {
      const key = await openKeyFile(file, where, () => askPassphrase(terminal, where));
      return { ...names, sign: (message) => sign(null, message, key) };
    },
  };
}

/**
 * The release key of CI: `WEIR_SIGNING_KEY` holds PEM, or base64 of it, or base64 of PKCS#8 as such, for a secret of CI
 * has but one line with some.
 *
 * @returns undefined: there is none. @throws {Misuse} for what is no key
 */
export function environmentKey(env: NodeJS.ProcessEnv): Key | undefined {
  const text = env.WEIR_SIGNING_KEY?.trim();
  if (text === undefined || text === '') return undefined;
  const where = 'WEIR_SIGNING_KEY';
  return keyOf(parseKeyFile(pemOf(text), where), where);
}

/**
 * @param text a public key: base64 of its 32 bytes, or PEM
 * @throws {Misuse}
 */
export function parsePublicKey(text: string): { keyid: string; public: string } {
  const raw = text.includes('-----BEGIN') ? rawOfPem(text) : Buffer.from(text.trim(), 'base64');
  if (raw.length !== PUBLIC_BYTES) {
    throw new Misuse(
      `"${text.trim().slice(0, 60)}" is no public key of ed25519`,
      'give what "weir key create" or "weir key list" prints, or a file with it',
    );
  }
  return { keyid: keyidOf(raw), public: raw.toString('base64') };
}

function rawOfPem(text: string): Buffer {
  const pem = /-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/.exec(text)?.[0];
  try {
    return pem === undefined ? Buffer.alloc(0) : rawOf(createPublicKey(pem));
  } catch {
    return Buffer.alloc(0);
  }
}

function rawOf(key: KeyObject): Buffer {
  const spki = key.export({ type: 'spki', format: 'der' });
  return spki.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX) ? spki.subarray(SPKI_PREFIX.length) : Buffer.alloc(0);
}

function keyidOf(raw: Uint8Array): string {
  return createHash('sha256').update(raw).digest('hex');
}

function pemOf(text: string): string {
  if (text.includes('-----BEGIN')) return text.replaceAll('\\n', '\n');
  const bytes = Buffer.from(text, 'base64');
  const inner = bytes.toString('latin1');
  if (inner.includes('-----BEGIN')) return inner;
  return `-----BEGIN PRIVATE KEY-----\n${bytes.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}
