import { createHash, timingSafeEqual } from 'node:crypto';

/** Passwords are compared as hashes, so that neither time nor memory tells one. */
export class Users {
  #hashes = new Map<string, Buffer>();

  constructor(passwords: Iterable<readonly [name: string, password: string]>) {
    for (const [name, password] of passwords) this.#hashes.set(name, sha256(password));
  }

  verify(name: string | undefined, password: Uint8Array | undefined): boolean {
    const expected = this.#hashes.get(name ?? '');
    // An unknown name costs as much as a wrong password.
    const matches = timingSafeEqual(expected ?? sha256(''), sha256(password ?? ''));
    return expected !== undefined && password !== undefined && matches;
  }
}

function sha256(secret: string | Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest();
}
