/** One life of a hub: its fleet over a store that outlives it, until it is killed before or after any write. */
import { type Change, createFleet, type Downlink, DownlinkError, type Fleet, type Store } from '@weir/cloud';
import type { Dice } from '../dice.ts';
import type { Timeline } from '../timeline.ts';

export interface HubLifePorts {
  timeline: Timeline;
  store: Store;
  downlink: Downlink;
  dice: Dice;
  /** Chance that it is killed at a write. */
  killShare: number;
  /** Chance that a device's shadow cannot be reached. */
  downlinkShare: number;
  /** Before it counts, in the order in which the store has it. */
  onWrite(changes: readonly Change[]): void;
  onShadow(device: string): void;
  onKilled(): void;
  onFailed(what: string): void;
}

/** Of what is dead nothing ever comes. */
const NEVER = new Promise<never>(() => {});

export class HubLife {
  readonly fleet: Fleet;
  readonly #ports: HubLifePorts;
  #isDead = false;

  constructor(ports: HubLifePorts) {
    this.#ports = ports;
    const { timeline, dice } = ports;
    this.fleet = createFleet({
      store: this.#store(),
      downlink: this.#downlink(),
      random: (bytes) => dice.bytes(bytes),
      now: () => Math.floor(timeline.now),
      sleep: (ms, signal) => this.#sleep(ms, signal),
      onRolloutFailed: (group, name, error) => {
        // Its downlink is drawn to fail; anything else is a bug.
        if (!(error instanceof DownlinkError)) ports.onFailed(`${group}/${name} cannot be carried on: ${error.stack}`);
      },
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  kill(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#ports.onKilled();
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#ports.timeline.after(ms, () => {
        if (!this.#isDead) resolve();
      });
      signal?.addEventListener('abort', () => {
        cancel();
        resolve();
      });
    });
  }

  async #alive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isDead) return NEVER;
    const result = await work();
    return this.#isDead ? NEVER : result;
  }

  #store(): Store {
    const { store, dice, killShare, onWrite } = this.#ports;
    return {
      get: (key) => this.#alive(() => store.get(key)),
      query: (query) => this.#alive(() => store.query(query)),
      partitions: (table, options) => this.#alive(() => store.partitions(table, options)),
      write: (changes) =>
        this.#alive(async () => {
          const isKilled = dice.chance(killShare);
          if (isKilled && dice.chance(0.5)) {
            this.kill();
            return;
          }
          await store.write(changes);
          onWrite(changes);
          if (isKilled) this.kill();
        }),
      close: async () => {},
    };
  }

  #downlink(): Downlink {
    const { downlink, dice, downlinkShare, onShadow } = this.#ports;
    const verify = () => {
      if (dice.chance(downlinkShare)) throw new DownlinkError('unreachable', 'drawn');
    };
    return {
      publish: (topic, payload, options) => this.#alive(() => downlink.publish(topic, payload, options)),
      getShadow: (device, name) =>
        this.#alive(async () => {
          verify();
          return downlink.getShadow(device, name);
        }),
      updateShadow: (device, name, request) =>
        this.#alive(async () => {
          verify();
          const version = await downlink.updateShadow(device, name, request);
          onShadow(device);
          return version;
        }),
    };
  }
}
