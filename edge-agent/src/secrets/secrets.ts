/**
 * Secrets of the groups of this device, for the requests of its functions.
 *
 *     shadow says another revision -> fetched over HTTPS -> opened with the key of the device -> kept, sealed -> used
 *
 * They are kept for a start without the hub: sealed for the device's own keys, all of them while its certificate is
 * renewed, so that a power cut at any moment leaves a key that opens them.
 *
 *     <data>/credentials/secrets.json     { "revision", "copies": [ box for one key, … ] }
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { type JsonObject, type SecretsAnswer, sealedBoxSchema, secretBinding } from '@weir/protocols';
import { openBox, sealBox } from '@weir/runtime';
import { z } from 'zod';

export interface SecretsPorts {
  /** @throws when the hub is away or refuses */
  fetch(): Promise<SecretsAnswer>;
  /** PEM, of the certificate in force and of the next. */
  keys(): readonly string[];
  /** Undefined: nothing is kept. */
  read(): Promise<string | undefined>;
  /** Durable when it resolves, for its owner alone. */
  keep(text: string): Promise<void>;
  log(level: 'info' | 'warn', message: string): void;
}

const keptSchema = z.object({ revision: z.string(), copies: z.array(sealedBoxSchema.extend({ sealed: z.base64() })) });
/** In place of a revision: there are no secrets. */
const NONE = '';
const valuesSchema = z.record(z.string(), z.string());

export class Secrets {
  readonly #device: string;
  readonly #ports: SecretsPorts;
  #revision: string | undefined;
  #values: ReadonlyMap<string, string> = new Map();
  #onChanged = () => {};
  #fetching: Promise<void> | undefined;
  /** Nothing is written at once with something else. */
  #writing: Promise<void> = Promise.resolve();

  constructor(device: string, ports: SecretsPorts) {
    this.#device = device;
    this.#ports = ports;
  }

  /** Of those that are here; undefined: there are none. */
  get revision(): string | undefined {
    return this.#revision;
  }

  /** For the reported section of the shadow `weir`. */
  report(): { secrets?: { revision: string } } {
    return this.#revision === undefined ? {} : { secrets: { revision: this.#revision } };
  }

  value(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** @param told when others are here */
  onChanged(told: () => void): void {
    this.#onChanged = told;
  }

  /** Takes up what is kept. */
  async start(): Promise<void> {
    try {
      const text = await this.#ports.read();
      if (text === undefined) return;
      const { revision, copies } = keptSchema.parse(JSON.parse(text));
      if (revision === NONE) return;
      const values = this.#openAny(copies);
      if (values === undefined)
        return this.#ports.log('warn', 'the secrets that are kept are for another key; the hub is asked');
      this.#values = values;
      this.#revision = revision;
    } catch (error) {
      this.#ports.log('warn', `the secrets that are kept cannot be read; the hub is asked: ${nameOf(error)}`);
    }
  }

  /** @param desired of the shadow `weir`: says which there should be; asked again as often as it is heard */
  hear({ secrets }: JsonObject): Promise<void> {
    const revision = (secrets as { revision?: string } | undefined)?.revision;
    if (revision === this.#revision) return Promise.resolve();
    this.#fetching ??= (revision === undefined ? this.#forget() : this.#fetch())
      .catch((error: Error) => this.#ports.log('warn', `the secrets could not be had: ${error.message}`))
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }

  /** To be called before keys change: what is kept can be opened with these from then on. */
  async reseal(keys: readonly string[]): Promise<void> {
    if (this.#revision !== undefined) await this.#keep(keys);
  }

  async #fetch(): Promise<void> {
    const { revision, secrets } = await this.#ports.fetch();
    const keys = this.#ports.keys().map((pem) => createPrivateKey(pem));
    const values = secrets.map((secret): [string, string] => {
      const binding = secretBinding(this.#device, secret);
      return [secret.name, opened(keys, (key) => openBox(secret, key, binding), `the secret ${secret.name}`)];
    });
    this.#values = new Map(values);
    this.#revision = revision;
    await this.#keep(this.#ports.keys());
    this.#ports.log('info', `secrets are here: ${secrets.map(({ name }) => name).join(', ') || 'none'}`);
    this.#onChanged();
  }

  async #forget(): Promise<void> {
    this.#values = new Map();
    this.#revision = undefined;
    await this.#keep([]);
    this.#ports.log('info', 'there are no secrets for this device any more');
    this.#onChanged();
  }

  #keep(keys: readonly string[]): Promise<void> {
    const text = JSON.stringify(Object.fromEntries(this.#values));
    const copies = keys.map((pem) => sealBox(text, createPublicKey(pem), this.#binding));
    const kept = JSON.stringify({ revision: this.#revision ?? NONE, copies });
    const writing = this.#writing.catch(() => {}).then(() => this.#ports.keep(kept));
    this.#writing = writing;
    return writing;
  }

  #openAny(copies: readonly z.infer<typeof keptSchema>['copies'][number][]): ReadonlyMap<string, string> | undefined {
    for (const pem of this.#ports.keys()) {
      const key = createPrivateKey(pem);
      for (const copy of copies) {
        const text = tried(() => openBox(copy, key, this.#binding));
        if (text !== undefined) return new Map(Object.entries(valuesSchema.parse(JSON.parse(text))));
      }
    }
    return undefined;
  }

  get #binding(): string[] {
    return ['weir-secrets-kept', '1', this.#device];
  }
}

/** With the first of the keys that opens it. */
function opened(keys: readonly KeyObject[], open: (key: KeyObject) => string, what: string): string {
  for (const key of keys) {
    const text = tried(() => open(key));
    if (text !== undefined) return text;
  }
  throw new Error(`${what} is not sealed for a key of this device`);
}

function tried(open: () => string): string | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

/** Its message might hold what it could not read. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}
