/**
 * Places all devices again when a selector has changed, page by page, and takes away the groups that are removed.
 *
 *     request -> every device, in order of id -> groups that were removed when it began are gone -> settled
 *        ^_________ requested meanwhile: from the first one again ________|
 *
 * Nothing of it is kept but what it writes: whatever it had not come to is done by the sweep of the next start.
 */
import type { Clock } from '../clock/clock.ts';
import { type Change, type Store, StoreError } from '../store/store.ts';
import { FleetError } from './error.ts';
import { groupKey, itemsOf } from './keys.ts';
import { changeOnce } from './membership.ts';
import { readSelectors, type Selectors, selectorsChange, selectorsVersion } from './selectors.ts';
import { untilWritten } from './turns.ts';

export interface SweepPorts {
  store: Store;
  now: () => number;
  sleep: Clock['sleep'];
  /** The device is in other groups now. */
  onMoved: (device: string) => void;
}

/** So many devices are looked at with one reading of the selectors … */
const PAGE = 100;
/** … and so many of them are written at once: they share a commit of the store. */
const CONCURRENCY = 32;
const RETRY_MS = 1_000;
/** Of one write, with room for the record. */
const REMOVED_PER_WRITE = 90;

export class Sweep {
  readonly #ports: SweepPorts;
  readonly #stop = new AbortController();
  #again = false;
  #running: Promise<void> | undefined;
  #checked = 0;

  constructor(ports: SweepPorts) {
    this.#ports = ports;
  }

  /** Devices that were looked at, while it runs. */
  get progress(): number | undefined {
    return this.#running === undefined ? undefined : this.#checked;
  }

  request(): void {
    if (this.#stop.signal.aborted) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when no selector has changed that devices do not follow. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      try {
        await this.#placeAll();
      } catch (error) {
        if (!(error instanceof StoreError || (error instanceof FleetError && error.code === 'busy'))) throw error;
        // That the store cannot be reached is told where it is asked for something; this goes on when it can.
        this.#again = true;
        await this.#ports.sleep(RETRY_MS, this.#stop.signal);
      }
    }
  }

  async #placeAll(): Promise<void> {
    const { store } = this.#ports;
    const { signal } = this.#stop;
    const selectors = await readSelectors(store);
    if (selectors.version === 0) return;
    this.#checked = 0;
    for (let after: string | undefined, isLast = false; !isLast; ) {
      const page = await store.partitions('device', { limit: PAGE, ...(after !== undefined && { after }) });
      const names = [...page.names];
      await Promise.all(Array.from({ length: CONCURRENCY }, () => this.#placeEach(names, selectors)));
      if (signal.aborted) return;
      after = page.next;
      isLast = after === undefined;
    }
    for (const group of selectors.removing) await removeGroup(store, group);
    // By another hub: what changed in this one has been requested.
    const expected = selectors.version + selectors.removing.size;
    if ((await selectorsVersion(store)) !== expected) this.#again = true;
  }

  async #placeEach(names: string[], selectors: Selectors): Promise<void> {
    const { store, now, onMoved } = this.#ports;
    for (let device = names.shift(); device !== undefined; device = names.shift()) {
      if (this.#stop.signal.aborted) return;
      const name = device;
      try {
        const { moved } = await untilWritten(() => changeOnce(store, name, now(), (stored) => stored, selectors));
        if (moved) onMoved(name);
      } catch (error) {
        // Removed meanwhile.
        if (!(error instanceof FleetError && error.code === 'device-unknown')) throw error;
      }
      this.#checked += 1;
    }
  }
}

/** No device knows of it any more: what is left of it goes, its name at last. */
async function removeGroup(store: Store, group: string): Promise<void> {
  const rest: Change[] = [];
  for (const range of [{ to: 'record' }, { from: 'record\0' }]) {
    for await (const { table, partition, sort } of itemsOf(store, { table: 'group', partition: group, ...range })) {
      rest.push({ remove: { table, partition, sort } });
      if (rest.length === REMOVED_PER_WRITE) await store.write(rest.splice(0));
    }
  }
  await untilWritten(async () => {
    const selectors = await readSelectors(store);
    const removing = selectors.stored.removing.filter((name) => name !== group);
    await store.write([...rest, { remove: groupKey(group) }, selectorsChange(selectors, { removing })]);
  });
}
