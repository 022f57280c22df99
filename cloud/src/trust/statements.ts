/**
 * What the hub says each device is to run, in a form that the device can believe.
 *
 * The number of a statement goes up by one whenever what is wanted changes, and is in the store before anybody hears of
 * it. The statement itself is made when the device asks, so that it is always of now.
 */
import { type JsonObject, sameJson } from '@weir/protocols';
import { SEQUENCE_JUMP_MAX, type SigningKey, signStatement } from '@weir/runtime';
import { desiredDeployments } from '../fleet/deployments.ts';
import { untilWritten } from '../fleet/turns.ts';
import { wantedOf } from '../fleet/wanted.ts';
import type { Store } from '../store/store.ts';
import { statementKey } from './keys.ts';
import { currentRoot } from './roots.ts';

export interface StatementsPorts {
  store: Store;
  /** The hub's own. */
  key: SigningKey;
  now: () => number;
}

/** What a device is told in its shadow: that there is something to fetch. */
export interface StatementHint extends JsonObject {
  sequence: number;
  /** Version of the root file. */
  root: number;
}

/** `sequence` of the last one, and what it said. */
interface StatementStored {
  sequence: number;
  deployments: JsonObject;
}

export class Statements {
  readonly #ports: StatementsPorts;
  readonly #validMs: number;

  /** @param validMs how long a device may take a statement for new after it was made, ms */
  constructor(ports: StatementsPorts, validMs: number) {
    this.#ports = ports;
    this.#validMs = validMs;
  }

  /** @returns undefined: there is no such device, or no root file, without which no device believes anything */
  async hint(device: string): Promise<StatementHint | undefined> {
    const kept = await currentRoot(this.#ports.store);
    if (kept === undefined) return undefined;
    const current = await this.#current(device, 0);
    return current && { sequence: current.sequence, root: kept.root.version };
  }

  /**
   * @param known number of the last one that the device has taken: higher than that of this hub when its store is an
   *   older copy of itself
   * @returns text of a statement of now, and the version of the root file; undefined as with {@link hint}
   */
  async make(device: string, known: number): Promise<{ root: number; statement: string } | undefined> {
    const { store, key, now } = this.#ports;
    const kept = await currentRoot(store);
    const current = kept && (await this.#current(device, known));
    if (current === undefined) return undefined;
    const issuedAt = now();
    const fields = { device, ...current, issuedAt, expires: issuedAt + this.#validMs };
    return { root: kept!.root.version, statement: signStatement('deployment', fields, [key]) };
  }

  async #current(device: string, known: number): Promise<StatementStored | undefined> {
    const { store } = this.#ports;
    return untilWritten(async () => {
      const item = await store.get(statementKey(device));
      const wanted = await wantedOf(store, device);
      if (wanted === undefined) return undefined;
      const deployments = desiredDeployments(wanted.values()) as JsonObject;
      const before = item?.json as StatementStored | undefined;
      const last = before?.sequence ?? 0;
      const isBehind = known > last && known - last <= SEQUENCE_JUMP_MAX;
      if (before !== undefined && !isBehind && sameJson(before.deployments, deployments)) return before;
      const next: StatementStored = { sequence: Math.max(last, isBehind ? known : 0) + 1, deployments };
      await store.write([{ put: statementKey(device), json: next, ifVersion: item?.version ?? 0 }]);
      return next;
    });
  }
}
