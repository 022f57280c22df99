/**
 * A key as it is kept: PKCS#8 and SubjectPublicKeyInfo in PEM, one after the other, so that the public part can be read
 * without a passphrase, and both by other people's tools.
 *
 *     -----BEGIN PRIVATE KEY-----            or ENCRYPTED PRIVATE KEY
 *     …
 *     -----BEGIN PUBLIC KEY-----
 *     …
 *
 * @see RFC 7468, RFC 8410
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Misuse } from '../failure.ts';

/** Of PKCS#8: PBES2 with PBKDF2, as OpenSSL does it. */
const CIPHER = 'aes-256-cbc';

export interface KeyFile {
  publicKey: KeyObject;
  /** PEM. */
  privatePem: string;
  isEncrypted: boolean;
}

/** @returns the text of a new key. @param passphrase undefined: it is kept as it is */
export function newKeyFile(passphrase: string | undefined): string {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const secured = passphrase === undefined ? {} : { cipher: CIPHER, passphrase };
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', ...secured }) as string;
  return `${pem}${publicKey.export({ type: 'spki', format: 'pem' })}`;
}

/** @param where names it in errors. @throws {Misuse} */
export function parseKeyFile(text: string, where: string): KeyFile {
  const privatePem = block(text, /(?:ENCRYPTED )?PRIVATE KEY/);
  if (privatePem === undefined) throw new Misuse(`${where} holds no private key`, 'a key in PEM is wanted (PKCS#8)');
  const isEncrypted = privatePem.includes('ENCRYPTED');
  const publicPem = block(text, /PUBLIC KEY/);
  if (publicPem === undefined && isEncrypted) {
    throw new Misuse(
      `${where} has no public part beside its encrypted one`,
      'add it: openssl pkey -in FILE -pubout >> FILE',
    );
  }
  try {
    const publicKey = createPublicKey(publicPem ?? privatePem);
    return { publicKey: ed25519(publicKey, where), privatePem, isEncrypted };
  } catch (error) {
    throw error instanceof Misuse ? error : new Misuse(`${where} cannot be read: ${(error as Error).message}`);
  }
}

/** @param passphrase asked for only where one is needed. @throws {Misuse} when it is wrong */
export async function openKeyFile(
  { privatePem, isEncrypted, publicKey }: KeyFile,
  where: string,
  passphrase: () => Promise<string>,
): Promise<KeyObject> {
  const secured = isEncrypted ? { passphrase: await passphrase() } : {};
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: privatePem, ...secured });
  } catch {
    const why = isEncrypted ? 'the passphrase is wrong' : 'it is damaged';
    throw new Misuse(`${where} cannot be opened: ${why}`, 'a passphrase can also be given in WEIR_KEY_PASSPHRASE');
  }
  if (!createPublicKey(key).equals(publicKey)) {
    throw new Misuse(`${where} holds two keys that do not belong together`, 'make it again from a copy of the key');
  }
  return key;
}

function ed25519(key: KeyObject, where: string): KeyObject {
  if (key.asymmetricKeyType === 'ed25519') return key;
  const remedy = 'make one: weir key create';
  throw new Misuse(`${where} is a key of type ${key.asymmetricKeyType}; ed25519 is wanted`, remedy);
}

function block(text: string, label: RegExp): string | undefined {
  const { source } = label;
  return new RegExp(`-----BEGIN (${source})-----[\\s\\S]*?-----END \\1-----`).exec(text)?.[0];
}
