import { type Columns, concatColumns, SERIES_MAX, type Series } from '@weir/protocols';

export interface Selector {
  sensor: string;
  metric: string;
}

/** `*` stands for any run of characters, also none; everything else for itself. */
export function globMatches(glob: string, name: string): boolean {
  if (glob === '*' || glob === name) return true;
  if (!glob.includes('*')) return false;
  const parts = glob.split('*');
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
    const taken: number[] = [];
    const { index } = columns;
    for (let at = 0; at < index.length; at++) if (flags[index[at]!]) taken.push(at);
    return taken.length === 0 ? undefined : pickColumns(columns, taken);
  }
}

/** These readings of a batch, by their place; the dictionary is shared, not trimmed. */
export function pickColumns({ series, strings, ...columns }: Columns, places: readonly number[]): Columns {
  const index = new Uint16Array(places.length);
  const ts = new Float64Array(places.length);
  const values = new Float64Array(places.length);
  for (let at = 0; at < places.length; at++) {
    const from = places[at]!;
    index[at] = columns.index[from]!;
    ts[at] = columns.ts[from]!;
    values[at] = columns.values[from]!;
  }
  return { series, strings, index, ts, values };
}

/** A fleet's names fit; a flood of made-up names does not grow it. */
const KNOWN_MAX = 10_000;

/** Raw readings followed by what functions made of them: in two parts where they are of more series than one can have. */
export function joinColumns(raw: Columns, emitted: Columns): [all: Columns] | [raw: Columns, emitted: Columns] {
  if (emitted.index.length === 0) return [raw];
  return raw.series.length + emitted.series.length <= SERIES_MAX ? [concatColumns([raw, emitted])] : [raw, emitted];
}
