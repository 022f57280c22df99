/**
 * The forwarding policies of a device, over what its steps bring forth for the hub: last in the row, when functions and
 * rules have seen everything.
 *
 *     raw readings ---.
 *                      >-- policy, by name -- entry, from top to bottom -- the first that fits --> hub
 *     emitted ones ---'                                                    none fits ------------> hub, as it is
 *
 * Of several policies the first by name that has an entry for a series governs it.
 */
import { type Columns, ColumnsBuilder, type Reading, readingAt, type Series, valueAt } from '@weir/protocols';
import { plausibleTs } from '../fold/plausible.ts';
import { globMatches } from '../fold/select.ts';
import type { PolicyFold } from './policy-fold.ts';

/** What of a step's readings goes to the hub. */
export interface Forwarded {
  /** Which readings of its input, by their places; undefined: all. */
  places?: Uint32Array;
  /** What goes besides, in this order; none is empty. */
  readings: Columns[];
}

export interface PassInput {
  /** Undefined: it was no step over readings. */
  input?: Columns | undefined;
  emitted: Columns;
  /** Arrival, ms. */
  receivedAt: number;
  /** Up to when all that arrived is taken in with this, ms; undefined: nothing is closed for its time. */
  until?: number | undefined;
}

interface Route {
  fold: PolicyFold;
  entry: number;
}

/** As a filter of series knows: a flood of made-up names must not grow it. */
const KNOWN_MAX = 10_000;

export class ForwardingPolicies {
  #folds: readonly PolicyFold[] = [];
  #routes = new Map<string, Route | undefined>();
  /** Of policies and windows that ended since the last pass. */
  #left: Reading[] = [];

  /** What runs from now on. Windows are closed that nobody governs any more, or in another way. */
  arrange(folds: readonly PolicyFold[]): void {
    this.#folds = [...folds].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#routes.clear();
    for (const fold of this.#folds) {
      const left = fold.settle((series) => {
        const route = this.#routeOf(series);
        return route?.fold === fold ? route.entry : undefined;
      });
      this.#left = this.#left.concat(left);
    }
  }

  /** One is taken off: what is open of it goes with the next pass. */
  remove(fold: PolicyFold, states: { fold: string; json: string | null }[]): void {
    this.#folds = this.#folds.filter((each) => each !== fold);
    this.#routes.clear();
    this.#left = this.#left.concat(fold.end());
    fold.takeChanges(states);
  }

  /** @returns undefined: everything is forwarded as it is */
  pass({ input, emitted, receivedAt, until }: PassInput): Forwarded | undefined {
    if (this.#folds.length === 0 && this.#left.length === 0) return undefined;
    const out = new Parts();
    out.addAll(this.#left.splice(0));
    const places = input && this.#filter(input, receivedAt, out);
    const left = this.#filter(emitted, receivedAt, out);
    if (left === undefined) out.addColumns(emitted);
    else for (const at of left) out.add(readingAt(emitted, at));
    if (until !== undefined) for (const fold of this.#folds) out.addAll(fold.fall(until));
    const readings = out.take();
    return places === undefined ? { readings } : { places, readings };
  }

  /**
   * @param out windows that are closed by it
   * @returns places of what is forwarded as it is; undefined: all of it
   */
  #filter(columns: Columns, receivedAt: number, out: Parts): Uint32Array | undefined {
    const count = columns.index.length;
    const routes = columns.series.map((series) => this.#routeOf(series));
    if (count === 0 || routes.every((route) => route === undefined)) return undefined;
    const closed: Reading[] = [];
    const places: number[] = [];
    for (let at = 0; at < count; at++) {
      const series = columns.index[at]!;
      const route = routes[series];
      if (route === undefined || this.#take(route, columns, at, receivedAt, closed)) places.push(at);
    }
    out.addAll(closed);
    return places.length === count ? undefined : Uint32Array.from(places);
  }

  #take({ fold, entry }: Route, columns: Columns, at: number, receivedAt: number, closed: Reading[]): boolean {
    const { kind } = fold.modeOf(entry);
    const isForwarded =
      kind === 'all' ||
      (kind !== 'none' &&
        fold.take(
          entry,
          columns.series[columns.index[at]!]!,
          plausibleTs(columns.ts[at]!, receivedAt),
          valueAt(columns, at),
          receivedAt,
          closed,
        ));
    fold.count(entry, 1, isForwarded ? 1 : 0);
    return isForwarded;
  }

  #routeOf({ sensor, metric }: Pick<Series, 'sensor' | 'metric'>): Route | undefined {
    const key = `${sensor}/${metric}`;
    if (this.#routes.has(key)) return this.#routes.get(key);
    if (this.#routes.size >= KNOWN_MAX) this.#routes.clear();
    const route = this.#find(sensor, metric);
    this.#routes.set(key, route);
    return route;
  }

  #find(sensor: string, metric: string): Route | undefined {
    for (const fold of this.#folds) {
      const entry = fold.policy.forward.findIndex(
        (each) => globMatches(each.sensor, sensor) && globMatches(each.metric, metric),
      );
      if (entry >= 0) return { fold, entry };
    }
    return undefined;
  }
}

/** In columns, of which none has more series than a batch can hold. */
export function inParts(readings: readonly Reading[]): Columns[] {
  const parts = new Parts();
  parts.addAll(readings);
  return parts.take();
}

/** Begun anew where a batch can hold no more series. */
class Parts {
  #builder = new ColumnsBuilder();
  #parts: Columns[] = [];

  add(reading: Reading): void {
    if (this.#builder.full) this.#cut();
    this.#builder.add(reading);
  }

  addAll(readings: readonly Reading[]): void {
    for (const reading of readings) this.add(reading);
  }

  addColumns(columns: Columns): void {
    if (columns.index.length === 0) return;
    this.#cut();
    this.#parts.push(columns);
  }

  take(): Columns[] {
    this.#cut();
    return this.#parts;
  }

  #cut(): void {
    if (this.#builder.count > 0) this.#parts.push(this.#builder.take());
  }
}
