import type { Json } from '@weir/protocols';
import { byDevice, partByDevice, readByDevice } from './by-device.ts';
import type { SeriesName } from './node.ts';

/** Something of each series, told apart by their devices where there are many. */
export class SeriesByDevice<Item> {
  readonly #isGroup: boolean;
  readonly #devices = new Map<string, Map<string, Item>>();
  /** All of them, in order; undefined: to be made anew. */
  #list: readonly Item[] | undefined = [];
  #size = 0;

  constructor(isGroup: boolean) {
    this.#isGroup = isGroup;
  }

  get size(): number {
    return this.#size;
  }

  get({ device, sensor, metric }: SeriesName): Item | undefined {
    return this.#devices.get(this.#isGroup ? device : '')?.get(`${sensor}/${metric}`);
  }

  /** One that is not there yet. */
  add({ device, sensor, metric }: SeriesName, item: Item): void {
    const key = this.#isGroup ? device : '';
    const known = this.#devices.get(key);
    if (known === undefined) this.#devices.set(key, new Map([[`${sensor}/${metric}`, item]]));
    else known.set(`${sensor}/${metric}`, item);
    this.#list = undefined;
    this.#size++;
  }

  /** By device, each in the order in which it came. */
  get values(): readonly Item[] {
    this.#list ??= [...this.#devices.values()].flatMap((items) => [...items.values()]);
    return this.#list;
  }

  of(device: string): Item[] {
    return [...(this.#devices.get(this.#isGroup ? device : '')?.values() ?? [])];
  }

  deleteDevice(device: string): void {
    const key = this.#isGroup ? device : '';
    this.#size -= this.#devices.get(key)?.size ?? 0;
    this.#devices.delete(key);
    this.#list = undefined;
  }

  state(pack: (item: Item) => Json): Json {
    if (!this.#isGroup) return this.values.map(pack);
    return byDevice([...this.#devices].map(([device, items]) => [device, [...items.values()].map(pack)]));
  }

  partOf(device: string | undefined, pack: (item: Item) => Json): Json {
    return partByDevice(device, (of) => (this.#devices.has(of) ? this.of(of).map(pack) : undefined));
  }
}

/** What {@link SeriesByDevice.state} has made, of one or of many devices. */
export function packedSeries<Packed>(state: Json | undefined): Packed[] {
  const byItsDevice = readByDevice(state);
  if (byItsDevice === undefined) return (state ?? []) as Packed[];
  return byItsDevice.flatMap(([, items]) => items as Packed[]);
}
