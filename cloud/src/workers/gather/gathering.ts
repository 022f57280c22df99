/**
 * The part of a worker that has to do with functions that gather: those of its own partition take in what waits for
 * them, and for those of all partitions it notes what its devices hand on.
 *
 *     commit of a device --items--> store --told--> worker of the gatherer -> [ one write: what came of them, removal ]
 */
import { isGatherer } from '@weir/protocols';
import type { Device } from '../devices.ts';
import type { Effects } from '../effects.ts';
import { GatherIntake, type GatherIntakePorts } from './gather-intake.ts';
import type { HandedOn } from './parts.ts';
import { GatherRoom } from './room.ts';

export interface GatheringPorts extends GatherIntakePorts {
  partition: number;
  /** Items of this partition for one gatherer; over it too much waits. */
  gatherWaitingMax: number;
  /** That something waits for a gatherer, of whichever partition it is. */
  tell(gatherer: string): void;
}

export class Gathering {
  readonly #ports: GatheringPorts;
  readonly #intake: GatherIntake;
  readonly #room: GatherRoom;
  /** Gatherers for which something may wait: whatever fails, they are looked at with the next tick. */
  readonly #waited = new Set<string>();
  /** Gatherers to which a write under way, or one whose answer was lost, hands something on. */
  readonly #untold = new Set<string>();

  constructor(ports: GatheringPorts) {
    this.#ports = ports;
    this.#intake = new GatherIntake(ports);
    this.#room = new GatherRoom(ports.store, ports.partition, ports.gatherWaitingMax);
  }

  /** Gatherers of this partition to look at with the next tick. */
  get waited(): readonly string[] {
    return [...this.#waited];
  }

  /** Those of the names that are of gatherers are looked at until nothing waits for them. */
  lookAt(names: readonly string[]): void {
    for (const name of names.filter(isGatherer)) this.#waited.add(name);
  }

  /** Gatherers for which so much waits that nothing must be added. */
  full(): Promise<ReadonlySet<string>> {
    return this.#room.full();
  }

  /**
   * Takes some of what waits for a gatherer; nothing for a device, nor while what it feeds itself is full.
   * @param onMore called when that is committed, and there may be more
   */
  async take(device: Device, full: ReadonlySet<string>, effects: Effects, onMore: () => void): Promise<void> {
    const name = device.state.device;
    if (!isGatherer(name)) return;
    this.#waited.add(name);
    if (device.folds.feeds.reach(full)) return;
    if (await this.#intake.take(device, effects)) effects.addOnce([], onMore);
    else this.#waited.delete(name);
  }

  /** To be called before a commit … */
  willHandOn(handedOn: readonly HandedOn[]): void {
    for (const { gatherer } of handedOn) this.#untold.add(gatherer);
  }

  /** … and when it has worked. */
  hasHandedOn(handedOn: readonly HandedOn[]): void {
    for (const { gatherer, items } of handedOn) this.#room.handedOn(gatherer, items.length);
    this.tellAll();
  }

  /** Also to be called after a failure: a write whose answer was lost may have handed something on. */
  tellAll(): void {
    for (const gatherer of this.#untold) this.#ports.tell(gatherer);
    this.#untold.clear();
  }
}
