/**
 * Keys in the store, and all of them in memory: each request is judged without asking the store.
 *
 *     table      partition   sort
 *     api-key    all         <id>
 */
import { UsageError } from '@weir/runtime';
import { itemsOf } from '../fleet/keys.ts';
import type { Logger } from '../logger.ts';
import type { ItemKey, Store } from '../store/store.ts';
import type {
  Access,
  ApiKey,
  IotCredentials,
  IssuedKey,
  KeyFault,
  KeyOptions,
  Principal,
  SigningKey,
} from './access.ts';
import {
  accessKeyIdOf,
  drawKey,
  hashOfSecret,
  idOfAccessKey,
  isSecretOf,
  parseKey,
  secretAccessKeyOf,
} from './key-format.ts';

export interface AccessPorts {
  store: Store;
  random: (bytes: number) => Uint8Array;
  now: () => number;
  logger: Logger;
}

interface KeyRecord extends ApiKey {
  /** SHA-256, hex. */
  secretHash: string;
}

/** All are in memory, and people read the list. */
const KEYS_MAX = 1_000;
/** So long whoever shows a key that has ended is told so, and the audit log's ids have a name in the list. */
const ENDED_KEPT_MS = 90 * 86_400_000;
/** Of `lastUsedAt`: one write in this time, however much a key is used. */
const LAST_USED_EVERY_MS = 600_000;

const keyOf = (id: string): ItemKey => ({ table: 'api-key', partition: 'all', sort: id });

/** Reads all keys; the store is this process's alone. */
export async function openAccess(ports: AccessPorts, options: { masterKey: Uint8Array }): Promise<Access> {
  const records: KeyRecord[] = [];
  for await (const { json } of itemsOf(ports.store, { table: 'api-key', partition: 'all' })) {
    records.push(json as KeyRecord);
  }
  return new StoredAccess(ports, options.masterKey, records);
}

class StoredAccess implements Access {
  readonly own: IotCredentials;
  readonly #ports: AccessPorts;
  readonly #masterKey: Uint8Array;
  readonly #records: Map<string, KeyRecord>;
  readonly #self: SigningKey;
  readonly #listeners = new Set<(id: string) => void>();

  constructor(ports: AccessPorts, masterKey: Uint8Array, records: readonly KeyRecord[]) {
    this.#ports = ports;
    this.#masterKey = masterKey;
    this.#records = new Map(records.map((record) => [record.id, record]));
    const { id, secret } = drawKey(ports.random);
    this.own = { accessKeyId: accessKeyIdOf(id), secretAccessKey: secret };
    const principal: Principal = { id: 'hub', name: 'hub', role: 'admin', internal: true };
    this.#self = { secretAccessKey: secret, principal };
  }

  authenticate(authorization: string | undefined): Principal | KeyFault {
    if (authorization === undefined) return 'api-key-missing';
    const shown = parseKey(/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '');
    const record = shown && this.#records.get(shown.id);
    if (record === undefined || !isSecretOf(shown!.secret, record.secretHash)) return 'api-key-wrong';
    const fault = faultOf(record, this.#ports.now());
    return fault ?? principalOf(record);
  }

  credentialsOf(accessKeyId: string): SigningKey | undefined {
    if (accessKeyId === this.own.accessKeyId) return this.#self;
    const id = idOfAccessKey(accessKeyId);
    const record = id === undefined ? undefined : this.#records.get(id);
    if (record === undefined || faultOf(record, this.#ports.now()) !== undefined) return undefined;
    return { secretAccessKey: secretAccessKeyOf(record.id, this.#masterKey), principal: principalOf(record) };
  }

  async create({ name, role, ttlMs, by }: KeyOptions): Promise<IssuedKey> {
    const { store, random, now } = this.#ports;
    await this.#forgetOld();
    if (this.#inForce(name) !== undefined) {
      throw new UsageError(
        'api-key-exists',
        `there is an API key "${name}"`,
        'choose another name, or revoke it first',
      );
    }
    const { id, secret } = drawKey(random);
    const about: ApiKey = { id, name, role, createdAt: now(), createdBy: by };
    if (ttlMs !== undefined) about.expiresAt = about.createdAt + ttlMs;
    const record: KeyRecord = { ...about, secretHash: hashOfSecret(secret) };
    // Held at once, so that two who ask for one name do not both get it; nobody knows the secret yet.
    this.#records.set(id, record);
    try {
      await store.write([{ put: keyOf(id), json: record, ifVersion: 0 }]);
    } catch (error) {
      this.#records.delete(id);
      throw error;
    }
    const credentials = { accessKeyId: accessKeyIdOf(id), secretAccessKey: secretAccessKeyOf(id, this.#masterKey) };
    return { ...about, key: `${id}.${secret}`, credentials };
  }

  list(): ApiKey[] {
    return [...this.#records.values()]
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
      .map(({ secretHash: _, ...about }) => about);
  }

  async revoke(key: string): Promise<ApiKey> {
    const record = this.#records.get(key) ?? this.#inForce(key) ?? this.list().find(({ name }) => name === key);
    if (record === undefined) {
      throw new UsageError('api-key-unknown', `there is no API key "${key}"`, 'see which there are: weir api-key list');
    }
    const kept = this.#records.get(record.id)!;
    if (kept.revokedAt === undefined) {
      // Refused before it is durable: whoever revokes a key wants nothing more of it.
      kept.revokedAt = this.#ports.now();
      try {
        await this.#keep(kept);
      } catch (error) {
        delete kept.revokedAt;
        throw error;
      }
      for (const listener of this.#listeners) listener(kept.id);
    }
    const { secretHash: _, ...about } = kept;
    return about;
  }

  used(id: string): void {
    const record = this.#records.get(id);
    const now = this.#ports.now();
    if (record === undefined) return;
    if (record.lastUsedAt !== undefined && now - record.lastUsedAt < LAST_USED_EVERY_MS) return;
    record.lastUsedAt = now;
    this.#keep(record).catch((error: Error) => {
      this.#ports.logger.warn({ key: record.id, error: error.message }, 'when an API key was used last is not kept');
    });
  }

  onEnd(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #inForce(name: string): KeyRecord | undefined {
    const now = this.#ports.now();
    return [...this.#records.values()].find((each) => each.name === name && faultOf(each, now) === undefined);
  }

  async #keep(record: KeyRecord): Promise<void> {
    await this.#ports.store.write([{ put: keyOf(record.id), json: record }]);
  }

  async #forgetOld(): Promise<void> {
    const isFull = this.#records.size >= KEYS_MAX;
    const before = this.#ports.now() - (isFull ? 0 : ENDED_KEPT_MS);
    for (const { id, revokedAt = Infinity, expiresAt = Infinity } of [...this.#records.values()]) {
      if (Math.min(revokedAt, expiresAt) > before) continue;
      await this.#ports.store.write([{ remove: keyOf(id) }]);
      this.#records.delete(id);
    }
    if (this.#records.size >= KEYS_MAX) {
      throw new UsageError('limit-exceeded', `there are ${KEYS_MAX} API keys`, 'revoke those that nobody uses');
    }
  }
}

function faultOf({ revokedAt, expiresAt }: KeyRecord, now: number): KeyFault | undefined {
  if (revokedAt !== undefined) return 'api-key-revoked';
  return expiresAt !== undefined && now >= expiresAt ? 'api-key-expired' : undefined;
}

function principalOf({ id, name, role, expiresAt }: KeyRecord): Principal {
  return { id, name, role, ...(expiresAt !== undefined && { expiresAt }) };
}
