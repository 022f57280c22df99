import { DeviceLetters } from '../dead-letters/device-letters.ts';
import type { Store } from '../store/store.ts';
import { DeviceFolds, type DeviceFoldsPorts } from './device-folds.ts';
import { DeviceState } from './device-state.ts';

export interface Device {
  state: DeviceState;
  folds: DeviceFolds;
  letters: DeviceLetters;
}

/** The devices of one partition that are in memory; the one heard of last is the last to go. */
export class Devices {
  readonly #store: Store;
  readonly #ports: DeviceFoldsPorts;
  /** In order of last use. */
  readonly #devices = new Map<string, Device>();
  readonly #lost = new Set<string>();

  constructor(ports: DeviceFoldsPorts) {
    this.#store = ports.store;
    this.#ports = ports;
  }

  async get(name: string): Promise<Device> {
    const known = this.#devices.get(name);
    const device = known ?? {
      state: await DeviceState.load(this.#store, name),
      folds: new DeviceFolds(name, this.#ports),
      letters: new DeviceLetters(name, this.#store),
    };
    this.#devices.delete(name);
    this.#devices.set(name, device);
    return device;
  }

  /** Those for which functions or rules run here. */
  active(): Device[] {
    return [...this.#devices.values()].filter(({ folds }) => folds.active);
  }

  anyActive(): boolean {
    if (this.#lost.size > 0) return true;
    for (const { folds } of this.#devices.values()) if (folds.active) return true;
    return false;
  }

  /** Dropped although something ran for them. */
  get lost(): readonly string[] {
    return [...this.#lost];
  }

  /** To be called when what runs for these goes on, or has ended; not so for one that was dropped again. */
  found(names: readonly string[]): void {
    for (const name of names) if (this.#devices.has(name)) this.#lost.delete(name);
  }

  /** Lets go of those that were not heard of longest; nothing of them may wait to be committed. */
  evict(max: number): void {
    for (const name of this.#devices.keys()) {
      if (this.#devices.size <= max) return;
      this.#remove(name);
    }
  }

  /** What is in memory of it is forgotten; not that something ran for it: timers go on though nothing is heard of it. */
  drop(name: string): void {
    if (this.#devices.get(name)?.folds.active) this.#lost.add(name);
    this.#remove(name);
  }

  clear(): void {
    for (const name of [...this.#devices.keys()]) this.drop(name);
  }

  #remove(name: string): void {
    this.#devices.get(name)?.folds.dispose();
    this.#devices.delete(name);
  }
}
