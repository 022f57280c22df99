import { type Columns, concatColumns, type Series } from '@weir/protocols';

export interface Selector {
  sensor: string;
  metric: string;
}

/** `*` stands for any run of characters, also none; everything else for itself. */
export function globMatches(glob: string, name: string): boolean {
  if (glob === '*') return true;
  const parts = glob.split('*');
  if (parts.length === 1) return glob === name;
  const first = parts[0]!;
  const last = parts.at(-1)!;
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** Remembers which series a list of selectors takes; bounded, since names come from outside. */
export class SeriesFilter {
  #selectors: readonly Selector[];
  #known = new Map<string, boolean>();

  /** No selector: everything. */
  constructor(selectors: readonly Selector[]) {
    this.#selectors = selectors;
  }

  takes({ sensor, metric }: Pick<Series, 'sensor' | 'metric'>): boolean {
    if (this.#selectors.length === 0) return true;
    const key = `${sensor}/${metric}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const takes = this.#selectors.some((each) => globMatches(each.sensor, sensor) && globMatches(each.metric, metric));
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(key, takes);
    return takes;
  }

  /** One flag for each entry of the dictionary. */
  flags(series: readonly Series[]): boolean[] {
    return series.map((entry) => this.takes(entry));
  }

  /** The readings that are taken; the batch itself when that is all of them, undefined when it is none. */
  select(columns: Columns): Columns | undefined {
    const flags = this.flags(columns.series);
    if (flags.every(Boolean)) return columns;
    if (!flags.some(Boolean)) return undefined;
    const { index, ts, values } = columns;
    const taken = new Uint32Array(index.length);
    let count = 0;
    for (let i = 0; i < index.length; i++) if (flags[index[i]!]) taken[count++] = i;
    if (count === 0) return undefined;
    const selected = {
      index: new Uint16Array(count),
      ts: new Float64Array(count),
      values: new Float64Array(count),
    };
    for (let at = 0; at < count; at++) {
      const from = taken[at]!;
      selected.index[at] = index[from]!;
      selected.ts[at] = ts[from]!;
      selected.values[at] = values[from]!;
    }
    return { series: columns.series, strings: columns.strings, ...selected };
  }
}

/** A fleet's names fit; a flood of made-up names does not grow it. */
const KNOWN_MAX = 10_000;

/** Raw readings followed by what functions made of them. */
export function joinColumns(raw: Columns, emitted: Columns): Columns {
  return emitted.index.length === 0 ? raw : concatColumns([raw, emitted]);
}
