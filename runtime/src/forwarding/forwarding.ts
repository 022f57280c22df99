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
  /** Whether its input does, whole and as it came. */
  input: boolean;
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
      this.#left.push(
        ...fold.settle((series) => {
          const route = this.#routeOf(series);
          return route?.fold === fold ? route.entry : undefined;
        }),
      );
    }
  }

  /** One is taken off: what is open of it goes with the next pass. */
  remove(fold: PolicyFold, states: { fold: string; json: string | null }[]): void {
    this.#folds = this.#folds.filter((each) => each !== fold);
    this.#routes.clear();
    this.#left.push(...fold.end());
    fold.takeChanges(states);
  }

  /** @returns undefined: everything is forwarded as it is */
  pass({ input, emitted, receivedAt, until }: PassInput): Forwarded | undefined {
    if (this.#folds.length === 0 && this.#left.length === 0) return undefined;
    const out = new Parts();
    out.addAll(this.#left.splice(0));
    const isWhole = input === undefined || this.#filter(input, receivedAt, out);
    if (this.#filter(emitted, receivedAt, out)) out.addColumns(emitted);
    if (until !== undefined) for (const fold of this.#folds) out.addAll(fold.fall(until));
    return { input: isWhole, readings: out.take() };
  }

  /** @returns whether all of it is forwarded as it is; else `out` has what is forwarded of it */
  #filter(columns: Columns, receivedAt: number, out: Parts): boolean {
    const count = columns.index.length;
    if (count === 0) return true;
    const routes = columns.series.map((series) => this.#routeOf(series));
    const takesAny = routes.some((route) => route !== undefined);
    if (!takesAny) return true;
    const closed: Reading[] = [];
    const places: number[] = [];
    for (let at = 0; at < count; at++) {
      const series = columns.index[at]!;
      const route = routes[series];
      if (route === undefined || this.#take(route, columns, at, receivedAt, closed)) places.push(at);
    }
    const isWhole = places.length === count;
    if (!isWhole) for (const at of places) out.add(readingAt(columns, at));
    out.addAll(closed);
    return isWhole;
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

/** Readings in columns, begun anew where a batch can hold no more series. */
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
