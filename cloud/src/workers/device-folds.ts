/**
 * The folds of one device that run in the cloud, and what is kept of them.
 *
 *     table `fold` · partition device · sort `state/<name>` · bytes: the state's JSON
 *                                     · sort `deployed`     · json: [{ name, hash, config }], what the states belong to
 *
 * The list of what was deployed is kept so that what has been taken away meanwhile can end its alerts.
 */
import type { Columns, JsonObject } from '@weir/protocols';
import {
  type Deployed,
  type FoldEvent,
  type FoldHost,
  type FoldStatus,
  parseBundle,
  type StepOutput,
} from '@weir/runtime';
import { CLOUD_DEPLOYMENTS_MAX } from '../fleet/cloud-room.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Change, ItemKey, Store } from '../store/store.ts';

export interface DeviceFoldsPorts {
  store: Store;
  fleet: Pick<Fleet, 'cloudDeployments' | 'bundle' | 'cloudStatus'>;
  makeHost(device: string, onStatus: (status: FoldStatus[]) => void): FoldHost;
  onError(device: string, what: string, error: Error): void;
}

interface DeployedRef {
  name: string;
  hash: string;
  config: JsonObject;
}

export const FOLD_TABLE = 'fold';

const STATE_PREFIX = 'state/';

interface Stored {
  states: Map<string, string>;
  deployed: DeployedRef[];
}

export class DeviceFolds {
  readonly device: string;
  #ports: DeviceFoldsPorts;
  #host: FoldHost | undefined;
  #revision: number | undefined;
  #wanted: readonly Deployed[] = [];
  #stored: Stored | undefined;
  #dirty = new Map<string, Change>();

  constructor(device: string, ports: DeviceFoldsPorts) {
    this.device = device;
    this.#ports = ports;
  }

  /** True while anything runs here. */
  get active(): boolean {
    return this.#host !== undefined;
  }

  /** What should run here, as far as is known. */
  get wanted(): readonly Deployed[] {
    return this.#wanted;
  }

  /** Makes what the fleet wants what runs. @returns what that brought about, e.g. the end of alerts */
  async converge(now: number): Promise<StepOutput[]> {
    const { revision, deployed } = await this.#ports.fleet.cloudDeployments(this.device);
    if (revision === this.#revision) return [];
    const wanted = deployed.slice(0, CLOUD_DEPLOYMENTS_MAX);
    if (deployed.length > wanted.length) {
      const error = new Error(`${deployed.length} cloud deployments, over ${CLOUD_DEPLOYMENTS_MAX}`);
      this.#ports.onError(this.device, 'some cloud deployments do not run', error);
    }
    const stored = this.#stored ?? (await this.#load());
    const idle = this.#host === undefined && wanted.length === 0 && stored.deployed.length === 0;
    const outputs = idle ? [] : await this.#deploy(wanted, stored, now);
    for (const output of outputs) this.#keepStates(output);
    this.#revision = revision;
    this.#wanted = wanted;
    if (wanted.length === 0) this.dispose();
    return outputs;
  }

  /** Undefined when nothing runs here. */
  async step(position: string, receivedAt: number, columns: Columns): Promise<StepOutput | undefined> {
    const output = await this.#host?.step({ position, receivedAt, columns });
    if (output !== undefined) this.#keepStates(output);
    return output;
  }

  async tick(now: number): Promise<StepOutput | undefined> {
    const output = await this.#host?.tick(now, `tick-${now}`);
    if (output !== undefined) this.#keepStates(output);
    return output;
  }

  /** Undefined when nothing here takes it. */
  async event(event: FoldEvent, position: string, now: number): Promise<StepOutput | undefined> {
    const output = await this.#host?.event(event, position, now);
    if (output !== undefined) this.#keepStates(output);
    return output;
  }

  status(): FoldStatus[] {
    return this.#host?.status() ?? [];
  }

  changes(): Change[] {
    return [...this.#dirty.values()];
  }

  committed(): void {
    this.#dirty.clear();
  }

  dispose(): void {
    this.#host?.dispose();
    this.#host = undefined;
  }

  async #deploy(wanted: readonly Deployed[], stored: Stored, now: number): Promise<StepOutput[]> {
    const outputs: StepOutput[] = [];
    const position = `deploy-${now}`;
    if (this.#host === undefined) {
      const host = this.#ports.makeHost(this.device, (status) => this.#tellStatus(status));
      this.#host = host;
      const before = await this.#resolve(stored.deployed);
      if (before.length > 0) outputs.push(await host.deploy(before, stored.states, position, now));
    }
    outputs.push(await this.#host.deploy(wanted, stored.states, position, now));
    // From here on the host holds them.
    stored.states.clear();
    const refs = wanted.map(({ name, hash, config }): DeployedRef => ({ name, hash, config }));
    if (JSON.stringify(refs) !== JSON.stringify(stored.deployed)) {
      stored.deployed = refs;
      const key = this.#key('deployed');
      this.#dirty.set('deployed', refs.length === 0 ? { remove: key } : { put: key, json: refs });
    }
    return outputs;
  }

  /** What was deployed when the states were kept; one whose bundle is gone cannot be ended any more. */
  async #resolve(refs: readonly DeployedRef[]): Promise<Deployed[]> {
    const deployed: Deployed[] = [];
    for (const ref of refs) {
      const bytes = await this.#ports.fleet.bundle(ref.hash);
      if (bytes !== undefined) deployed.push({ ...ref, bundle: parseBundle(bytes) });
    }
    return deployed;
  }

  async #load(): Promise<Stored> {
    const stored: Stored = { states: new Map(), deployed: [] };
    let after: string | undefined;
    do {
      const query = { table: FOLD_TABLE, partition: this.device, ...(after !== undefined && { after }) };
      const page = await this.#ports.store.query(query);
      for (const { sort, json, bytes } of page.items) {
        if (sort === 'deployed') stored.deployed = json as DeployedRef[];
        else stored.states.set(sort.slice(STATE_PREFIX.length), new TextDecoder().decode(bytes));
      }
      after = page.next;
    } while (after !== undefined);
    this.#stored = stored;
    return stored;
  }

  #keepStates({ states }: StepOutput): void {
    for (const { fold, json } of states) {
      const key = this.#key(`${STATE_PREFIX}${fold}`);
      const bytes = json === null ? undefined : new TextEncoder().encode(json);
      this.#dirty.set(key.sort, bytes === undefined ? { remove: key } : { put: key, bytes });
    }
  }

  #tellStatus(status: FoldStatus[]): void {
    this.#ports.fleet.cloudStatus(this.device, status).catch((error: Error) => {
      this.#ports.onError(this.device, 'the status of cloud deployments could not be recorded', error);
    });
  }

  #key(sort: string): ItemKey {
    return { table: FOLD_TABLE, partition: this.device, sort };
  }
}
