/**
 * Secrets of groups, for the requests of functions.
 *
 *     weir secret set -> [ store, encrypted ] -> GET /v1/secrets, encrypted to the key of the device -> agent
 *                                      \-> functions that run in the hub
 *
 * Of groups that have the same name for one, that counts which would win a deployment.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { parseGatherer, type SealedSecret, type SecretsAnswer, secretBinding } from '@weir/protocols';
import { sealBox } from '@weir/runtime';
import { FleetError } from '../fleet/error.ts';
import { priorityOf, requireGroup } from '../fleet/groups.ts';
import type { Store } from '../store/store.ts';
import type { AtRest } from './at-rest.ts';
import { dropSecret, putSecret, type StoredSecret, secretsOf } from './stored-secrets.ts';

/** What may be told of a secret. */
export type SecretInfo = Omit<StoredSecret, 'sealed'>;

/** One that a device has, and the groups that lost the name to it. */
export interface DeviceSecret extends SecretInfo {
  overridden: string[];
}

export interface SecretsPorts {
  store: Store;
  atRest: AtRest;
  now: () => number;
  /** Groups of a device. Undefined: there is no such device. */
  groupsOf(device: string): Promise<readonly string[] | undefined>;
  /** The devices of this group are to be told that there is something new. */
  changed(group: string): Promise<void>;
}

export class Secrets {
  readonly #ports: SecretsPorts;

  constructor(ports: SecretsPorts) {
    this.#ports = ports;
  }

  /** Durable when it resolves. @throws {FleetError} `group-unknown`, `limit-exceeded` */
  async set(group: string, name: string, value: string): Promise<SecretInfo> {
    const { store, atRest, now, changed } = this.#ports;
    const seal = (version: number) => atRest.seal(value, [group, name, version]);
    const { sealed: _, ...info } = await putSecret(store, { group, name }, now(), seal);
    await changed(group);
    return info;
  }

  /** @throws {FleetError} `group-unknown`, `secret-unknown` */
  async remove(group: string, name: string): Promise<void> {
    await dropSecret(this.#ports.store, group, name);
    await this.#ports.changed(group);
  }

  /** In order of name. @throws {FleetError} `group-unknown` */
  async list(group: string): Promise<SecretInfo[]> {
    await requireGroup(this.#ports.store, group);
    return (await secretsOf(this.#ports.store, group)).map(({ sealed: _, ...info }) => info);
  }

  /** In order of name. @returns undefined when there is no such device */
  async ofDevice(device: string): Promise<DeviceSecret[] | undefined> {
    return (await this.#winners(device))?.map(({ secret: { sealed: _, ...info }, overridden }) => ({
      ...info,
      overridden,
    }));
  }

  /** Changes whenever what a device is to have changes. @returns undefined when it is to have none */
  async revision(device: string): Promise<string | undefined> {
    const winners = (await this.#winners(device)) ?? [];
    return winners.length === 0 ? undefined : revisionOf(winners);
  }

  /** For its shadow, which all may see who look after it. */
  async hint(device: string): Promise<{ revision: string } | null> {
    const revision = await this.revision(device);
    return revision === undefined ? null : { revision };
  }

  /** All that a device is to have. @param publicKey of the certificate that it showed */
  async answer(device: string, publicKey: KeyObject): Promise<SecretsAnswer> {
    const winners = (await this.#winners(device)) ?? [];
    const secrets = winners.map(({ secret }): SealedSecret => {
      const { group, name, version } = secret;
      return { group, name, version, ...sealBox(this.#open(secret), publicKey, secretBinding(device, secret)) };
    });
    return { revision: revisionOf(winners), secrets };
  }

  /** For a function that runs in the hub for a device, or that gathers. */
  async value(device: string, name: string): Promise<string | undefined> {
    const winner = (await this.#winners(device))?.find(({ secret }) => secret.name === name);
    return winner && this.#open(winner.secret);
  }

  async #winners(device: string): Promise<{ secret: StoredSecret; overridden: string[] }[] | undefined> {
    const { store, groupsOf } = this.#ports;
    const gatherer = parseGatherer(device);
    const groups = gatherer === undefined ? await groupsOf(device) : [gatherer.group];
    if (groups === undefined) return undefined;
    const perGroup = groups.map(async (name) => {
      const priority = await priorityOf(store, name);
      return priority === undefined ? [] : (await secretsOf(store, name)).map((secret) => ({ secret, priority }));
    });
    const all = (await Promise.all(perGroup)).flat();
    const found = new Map<string, { secret: StoredSecret; overridden: string[] }>();
    // As with deployments: the higher priority, then what was set last.
    all.sort((a, b) => b.priority - a.priority || b.secret.version - a.secret.version);
    for (const { secret } of all) {
      const winner = found.get(secret.name);
      if (winner === undefined) found.set(secret.name, { secret, overridden: [] });
      else winner.overridden.push(secret.group);
    }
    return [...found.values()].sort((a, b) => (a.secret.name < b.secret.name ? -1 : 1));
  }

  #open({ group, name, version, sealed }: StoredSecret): string {
    try {
      return this.#ports.atRest.open(sealed, [group, name, version]);
    } catch {
      throw new FleetError(
        'secret-damaged',
        `the secret "${name}" of group "${group}" cannot be opened with the key of this hub`,
        `set it again: weir secret set ${group} ${name}; or restore secrets.key from the backup of the store`,
      );
    }
  }
}

function revisionOf(winners: readonly { secret: StoredSecret }[]): string {
  const text = JSON.stringify(winners.map(({ secret: { group, name, version } }) => [group, name, version]));
  return createHash('sha256').update(text).digest('hex');
}
