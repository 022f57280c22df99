/** Takes in what devices handed on to the functions that gather. */
import type { Fleet } from '../../fleet/fleet.ts';
import type { Logger } from '../../logger.ts';
import type { Item, Store } from '../../store/store.ts';
import type { Device } from '../devices.ts';
import type { Effects } from '../effects.ts';
import type { Folds } from '../folds.ts';
import type { WorkerCounts } from '../limits.ts';
import { Suspect } from '../suspect.ts';
import { Inboxes } from './inbox.ts';
import { type Part, unpack } from './parts.ts';

export interface GatherIntakePorts {
  store: Store;
  folds: Folds;
  fleet: Pick<Fleet, 'refused'>;
  counts: WorkerCounts;
  logger: Logger;
  /** Failures of one item before it is kept aside. */
  attemptsMax: number;
}

/** Taken by one commit: each is removed by it, beside what came of it. */
const ITEMS_PER_COMMIT = 16;

/** For the gatherers of one partition. */
export class GatherIntake {
  readonly #ports: GatherIntakePorts;
  readonly #inboxes: Inboxes;
  /** By gatherer: the item on which it fails. */
  readonly #suspects = new Map<string, Suspect>();

  constructor(ports: GatherIntakePorts) {
    this.#ports = ports;
    this.#inboxes = new Inboxes(ports.store);
  }

  /** @returns whether more may wait */
  async take(gatherer: Device, effects: Effects): Promise<boolean> {
    const { device } = gatherer.state;
    const suspect = this.#suspects.get(device);
    const items = await this.#inboxes.next(device, suspect === undefined ? ITEMS_PER_COMMIT : 1);
    for (const item of items) {
      await this.#takeItem(gatherer, item, effects);
      const { table, partition, sort } = item;
      effects.addOnce([{ remove: { table, partition, sort } }], () => {
        this.#inboxes.taken(item);
        this.#suspects.delete(device);
      });
      if (effects.full) break;
    }
    return items.length > 0;
  }

  async #takeItem(gatherer: Device, item: Item, effects: Effects): Promise<void> {
    // It was taken off its group meanwhile.
    if (!gatherer.folds.active) return;
    const { device } = gatherer.state;
    const suspect = this.#suspects.get(device);
    if (suspect !== undefined && suspect.treatmentOf({ position: item.sort }) !== 'whole') {
      return suspect.tellOnce({ position: item.sort }, 'functions-failed', () => this.#keepAside(device, item));
    }
    try {
      for (const [n, part] of unpack(item).entries()) {
        await this.#takePart(gatherer, part, `gather-${item.sort}.${n}`, effects);
      }
    } catch (error) {
      this.#suspects.set(device, suspect ?? new Suspect(this.#ports.attemptsMax));
      this.#suspects.get(device)!.failed({ position: item.sort });
      throw error;
    }
  }

  async #takePart(
    gatherer: Device,
    { device, receivedAt, content }: Part,
    position: string,
    effects: Effects,
  ): Promise<void> {
    const { folds, counts } = this.#ports;
    const arrival = { position, receivedAt, from: device };
    if (content.kind === 'readings') await folds.step(gatherer, arrival, content.columns, effects);
    else await folds.event(gatherer, { ...content, device }, arrival, effects);
    counts.gathered++;
  }

  async #keepAside(gatherer: string, { sort, json, bytes }: Item): Promise<void> {
    const { fleet, logger, counts } = this.#ports;
    counts.keptAside++;
    logger.error({ device: gatherer, item: sort }, 'what was handed on is kept aside');
    const content = bytes ?? new TextEncoder().encode(JSON.stringify(json));
    await fleet.refused(gatherer, 'functions-failed', `item ${sort} failed again and again`, content);
  }
}
