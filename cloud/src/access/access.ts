/**
 * Who may ask the hub for what: API keys of operators and of their programs.
 *
 * A key is `wk<16 hex>.<43 base64url>`: an id that may be seen, and a secret of 256 bits, of which the store has the
 * SHA-256 only. The same key signs requests to the IoT Data Plane (Signature Version 4): its access key id is made of
 * the id, its secret access key of the id and of a master key that lies in the data folder. So neither form is kept in
 * clear, and a key that is revoked is so in both.
 *
 * Obligations: `create` and `revoke` are durable when they resolve; a key that was revoked or has expired is refused
 * from then on, and those who listen with `onEnd` are told at once.
 */
import type { Role } from './role.ts';

/** What a client of the IoT Data Plane signs with. */
export interface IotCredentials {
  accessKeyId: string;
  secretAccessKey: string;
}

/** Who asks. */
export interface Principal {
  id: string;
  name: string;
  role: Role;
  /** ms since epoch. */
  expiresAt?: number;
  /** The hub itself: neither limited in rate nor audited. */
  internal?: true;
}

/** What may be told of a key. */
export interface ApiKey {
  id: string;
  name: string;
  role: Role;
  /** ms since epoch, as all times here. */
  createdAt: number;
  createdBy: string;
  /** Absent: it is good until it is revoked. */
  expiresAt?: number;
  revokedAt?: number;
  /** To ten minutes. */
  lastUsedAt?: number;
}

export interface KeyOptions {
  /** Of the keys that are in force no two have one name. */
  name: string;
  role: Role;
  ttlMs?: number;
  /** Name of the key that asks for it, or `hub`. */
  by: string;
}

/** Told this once. */
export interface IssuedKey extends ApiKey {
  /** For `Authorization: Bearer …`. */
  key: string;
  /** The same key for clients that sign. */
  credentials: IotCredentials;
}

export type KeyFault = 'api-key-missing' | 'api-key-wrong' | 'api-key-expired' | 'api-key-revoked';

/** Whoever knows `secretAccessKey` is `principal`. */
export interface SigningKey {
  secretAccessKey: string;
  principal: Principal;
}

export interface Access {
  /** @param authorization the header, `Bearer KEY` */
  authenticate(authorization: string | undefined): Principal | KeyFault;
  /** @returns undefined for one that is unknown, revoked or expired */
  credentialsOf(accessKeyId: string): SigningKey | undefined;
  /** What the hub itself signs with; good until this process ends. */
  readonly own: IotCredentials;
  /** @throws {UsageError} `api-key-exists`, `limit-exceeded` */
  create(options: KeyOptions): Promise<IssuedKey>;
  /** In order of their making, those that are revoked too. */
  list(): ApiKey[];
  /** @param key id or name; idempotent. @throws {UsageError} `api-key-unknown` */
  revoke(key: string): Promise<ApiKey>;
  /** A request with this key went well. */
  used(id: string): void;
  /** @returns ends the subscription. `listener` gets the id of each key that is revoked; it must not throw. */
  onEnd(listener: (id: string) => void): () => void;
}
