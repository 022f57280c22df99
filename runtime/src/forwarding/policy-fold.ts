/**
 * One forwarding policy as a fold over what goes to the hub: `step(state, readings) -> { state', what goes }`. Its
 * state is kept by series, so that a step writes those of the series that it has to do with:
 *
 *     <policy>                      how many readings each entry took, and how many went to the hub
 *     <policy>/<sensor>/<metric>    what was told of the series last, and its open windows
 */
import {
  describeForwarding,
  type Forwarding,
  type ForwardingMode,
  forwardingMode,
  type Reading,
  type Series,
  type Value,
} from '@weir/protocols';
import { movedPast, type TimeMove } from '../fold/move-time.ts';
import { ANY_CHANGE, type ChangeMode, type ToldState, tellChange } from './dead-band.ts';
import {
  addToWindow,
  closeWindows,
  type OpenWindow,
  readingsOfWindow,
  type WindowMode,
  type WindowState,
  windowTimes,
} from './windows.ts';

/** What is kept of one series. */
interface SeriesState extends ToldState, WindowState {
  /** In which way it is told of: what is open in another way is closed. @see wayOf */
  by: string;
  /** Arrival of the reading that changed it last, ms. */
  at: number;
}

interface Held {
  sensor: string;
  metric: string;
  entry: number;
  state: SeriesState;
}

export interface EntryStatus {
  /** What the entry says, in one line. */
  entry: string;
  /** Readings it took, and readings that went to the hub because of it; since the policy has had the entry. */
  taken: number;
  forwarded: number;
}

export interface ForwardingStatus {
  entries: EntryStatus[];
  /** Of which something is kept, and windows that are open. */
  series: number;
  windows: number;
}

interface PolicyState {
  counts: [entry: string, taken: number, forwarded: number][];
}

/** Names come from outside. Each is some 150 bytes in memory and on the card; the tenth that changed longest ago gives way. */
const SERIES_MAX = 10_000;
/** Under a longer metric there is no name for what is told of a window. */
export const WINDOW_METRIC_CHARS_MAX = 58;

export class PolicyFold {
  readonly name: string;
  readonly policy: Forwarding;
  #modes: readonly ForwardingMode[];
  #counts: EntryStatus[];
  #series = new Map<string, Held>();
  #changed = new Set<string>();
  #countsChanged = false;
  /** When the next window is over, and after which set-back of the arrival clock any would be; never later than it is. */
  #due = Number.POSITIVE_INFINITY;
  #setBack = 0;

  /** @param states JSON by key, as committed last */
  constructor(policy: Forwarding, states: ReadonlyMap<string, string>) {
    this.name = policy.name;
    this.policy = policy;
    this.#modes = policy.forward.map(forwardingMode);
    const kept = states.get(this.name);
    const counts = kept === undefined ? [] : (JSON.parse(kept) as PolicyState).counts;
    this.#counts = policy.forward.map(describeForwarding).map((entry) => {
      const [, taken = 0, forwarded = 0] = counts.find(([known]) => known === entry) ?? [];
      return { entry, taken, forwarded };
    });
    this.#countsChanged = kept !== this.#countsText;
    for (const [key, json] of states) {
      const [name, sensor, metric] = key.split('/');
      if (name !== this.name || sensor === undefined || metric === undefined) continue;
      this.#series.set(key, { sensor, metric, entry: NO_ENTRY, state: JSON.parse(json) as SeriesState });
    }
  }

  get status(): ForwardingStatus {
    let windows = 0;
    for (const { state } of this.#series.values()) windows += state.windows?.length ?? 0;
    return { entries: this.#counts.map((each) => ({ ...each })), series: this.#series.size, windows };
  }

  modeOf(entry: number): ForwardingMode {
    return this.#modes[entry]!;
  }

  /** Everything that it keeps, as JSON by key: for the next version of it. */
  get states(): Map<string, string> {
    const states = new Map([[this.name, this.#countsText]]);
    for (const [key, { state }] of this.#series) states.set(key, JSON.stringify(state));
    return states;
  }

  /** What has changed since this was asked last, to be committed. */
  takeChanges(into: { fold: string; json: string | null }[]): void {
    if (this.#countsChanged) into.push({ fold: this.name, json: this.#countsText });
    this.#countsChanged = false;
    for (const key of this.#changed) {
      const held = this.#series.get(key);
      into.push({ fold: key, json: held === undefined ? null : JSON.stringify(held.state) });
    }
    this.#changed.clear();
  }

  /**
   * To be called when the policies of the device have changed: closes what is open of series that are another's now, or
   * are told of in another way.
   *
   * @param governs which entry of this policy a series falls to, if it does
   * @returns what is to be forwarded
   */
  settle(governs: (series: { sensor: string; metric: string }) => number | undefined): Reading[] {
    const closed: Closed[] = [];
    for (const [key, held] of this.#series) {
      const entry = governs(held);
      const mode = entry === undefined ? undefined : this.modeOf(entry);
      if (mode !== undefined && mode.kind !== 'all' && mode.kind !== 'none' && wayOf(mode) === held.state.by) {
        held.entry = entry!;
        this.#expect(held);
      } else this.#forget(key, held, closed);
    }
    return this.#tell(closed);
  }

  /** It is taken off. @returns what is to be forwarded */
  end(): Reading[] {
    return this.settle(() => undefined);
  }

  /** Counts readings that the entry takes and lets pass, or holds back, whatever they are. */
  count(entry: number, taken: number, forwarded: number): void {
    const counts = this.#counts[entry]!;
    counts.taken += taken;
    counts.forwarded += forwarded;
    this.#countsChanged = true;
  }

  /**
   * Takes one reading of an entry with windows or a band.
   *
   * @param ts event time that is plausible, ms
   * @param into windows that are closed by it
   * @returns whether the reading is forwarded as it is
   */
  take(entry: number, series: Series, ts: number, value: Value, receivedAt: number, into: Reading[]): boolean {
    const mode = this.modeOf(entry) as WindowMode | ChangeMode;
    const isWindowed = mode.kind === 'windows' && typeof value === 'number';
    if (isWindowed && series.metric.length > WINDOW_METRIC_CHARS_MAX) return true;
    const key = `${this.name}/${series.sensor}/${series.metric}`;
    const held = this.#series.get(key) ?? this.#add(key, entry, series, wayOf(mode), receivedAt, into);
    const { state } = held;
    const [unit, quality] = [series.unit ?? null, series.quality ?? null];
    if (isWindowed) {
      const closed = addToWindow(mode, state, { ts, value, unit, quality }, receivedAt);
      this.#mark(key, state, receivedAt);
      this.#expect(held);
      if (closed.length > 0) into.push(...this.#tell(closed.map((window) => ({ held, window }))));
      return false;
    }
    const change = mode.kind === 'windows' ? ANY_CHANGE : mode;
    if (!tellChange(change, state, [ts, value, unit, quality])) return false;
    this.#mark(key, state, receivedAt);
    return true;
  }

  /** Closes windows that are over. @param until up to when all that arrived was taken in, ms */
  fall(until: number): Reading[] {
    if (until < this.#due && until >= this.#setBack) return [];
    const closed: Closed[] = [];
    this.#due = Number.POSITIVE_INFINITY;
    this.#setBack = 0;
    for (const [key, held] of this.#series) {
      const mode = this.modeOf(held.entry);
      if (mode.kind !== 'windows' || (held.state.windows?.length ?? 0) === 0) continue;
      const windows = closeWindows(mode, held.state, until);
      if (windows.length > 0) this.#changed.add(key);
      for (const window of windows) closed.push({ held, window });
      this.#expect(held);
    }
    return this.#tell(closed);
  }

  /**
   * The host's clock was set right: every window that is open is over, for its place among the others was none, and what
   * was told last counts as told at its right time.
   *
   * @returns what is to be forwarded, in time as it was before
   */
  moveTime(move: TimeMove): Reading[] {
    const closed: Closed[] = [];
    for (const [key, held] of this.#series) {
      for (const window of held.state.windows ?? []) closed.push({ held, window });
      held.state = movedSeries(held.state, move);
      this.#changed.add(key);
    }
    this.#due = Number.POSITIVE_INFINITY;
    this.#setBack = 0;
    const before = move.now - move.shift;
    return this.#tell(closed).map((reading) => ({ ...reading, ts: Math.min(reading.ts, before) }));
  }

  get #countsText(): string {
    const counts = this.#counts.map(({ entry, taken, forwarded }) => [entry, taken, forwarded]);
    return JSON.stringify({ counts });
  }

  #add(key: string, entry: number, { sensor, metric }: Series, by: string, at: number, into: Reading[]): Held {
    if (this.#series.size >= SERIES_MAX) into.push(...this.#makeRoom());
    const held = { sensor, metric, entry, state: { by, at } };
    this.#series.set(key, held);
    return held;
  }

  #makeRoom(): Reading[] {
    const byAge = [...this.#series].sort(([a, x], [b, y]) => x.state.at - y.state.at || (a < b ? -1 : 1));
    const closed: Closed[] = [];
    for (const [key, held] of byAge.slice(0, SERIES_MAX / 10)) this.#forget(key, held, closed);
    return this.#tell(closed);
  }

  #forget(key: string, held: Held, closed: Closed[]): void {
    for (const window of held.state.windows ?? []) closed.push({ held, window });
    this.#series.delete(key);
    this.#changed.add(key);
  }

  #mark(key: string, state: SeriesState, at: number): void {
    state.at = at;
    this.#changed.add(key);
  }

  #expect({ entry, state }: Held): void {
    const mode = this.modeOf(entry);
    if (mode.kind !== 'windows' || state.windows === undefined) return;
    const { due, setBack } = windowTimes(mode, state);
    this.#due = Math.min(this.#due, due);
    this.#setBack = Math.max(this.#setBack, setBack);
  }

  /** In an order that does not hang on which series came first. */
  #tell(closed: Closed[]): Reading[] {
    closed.sort((a, b) => a.window[0] - b.window[0] || order(a.held, b.held));
    return closed.flatMap(({ held, window }) => {
      const readings = readingsOfWindow(windowsIn(held.state.by), held, window);
      if (held.entry !== NO_ENTRY) this.count(held.entry, 0, readings.length);
      return readings;
    });
  }
}

interface Closed {
  held: Held;
  window: OpenWindow;
}

function movedSeries({ windows: _, ...state }: SeriesState, move: TimeMove): SeriesState {
  const moved = { ...state, at: movedPast(state.at, move) };
  const { told, late, latest, latestAt } = state;
  if (told !== undefined) moved.told = [movedPast(told[0], move), told[1], told[2], told[3]];
  if (late !== undefined) moved.late = [movedPast(late[0], move), late[1], late[2], late[3]];
  if (latest !== undefined) moved.latest = movedPast(latest, move);
  if (latestAt !== undefined) moved.latestAt = movedPast(latestAt, move);
  return moved;
}

/** Of a version before. */
const NO_ENTRY = -1;

/** `change`, or the length of windows and what is told of them. */
function wayOf(mode: WindowMode | ChangeMode): string {
  return mode.kind === 'change' ? 'change' : `${mode.everyMs} ${mode.values.join()}`;
}

function windowsIn(by: string): Pick<WindowMode, 'everyMs' | 'values'> {
  const [everyMs, values] = by.split(' ');
  return { everyMs: Number(everyMs), values: values!.split(',') as WindowMode['values'][number][] };
}

function order(a: Held, b: Held): number {
  if (a.sensor !== b.sensor) return a.sensor < b.sensor ? -1 : 1;
  return a.metric === b.metric ? 0 : a.metric < b.metric ? -1 : 1;
}
