/**
 * The rules of one host, found by the readings they take and by when they fall due: a reading costs what its own rules
 * cost, however many others there are.
 *
 *     series of a batch -> rules that take it -> each rule gets the places of its readings, once for the batch
 *     tick              -> rules that are due
 */
import { type Columns, isGatherer, type Series } from '@weir/protocols';
import type { FoldEvent } from '../fold/fold.ts';
import type { Held } from '../fold/held.ts';
import type { TimeMove } from '../fold/move-time.ts';
import { globMatches, type Selector } from '../fold/select.ts';
import { DueTimes } from './due-times.ts';
import type { RuleOutput } from './episode/teller.ts';
import type { RuleFold } from './rule-fold.ts';

interface Entry {
  held: Held;
  rule: RuleFold;
  /** Place among the deployments: in this order rules are run, and tell. */
  order: number;
  /** Of the batch at hand. */
  places: number[];
}

interface Indexed extends Selector {
  entry: Entry;
}

export class RuleSet {
  #entries = new Map<RuleFold, Entry>();
  /** By the sensor they name, and those whose `*` may stand for any. */
  #named = new Map<string, Indexed[]>();
  #open: Indexed[] = [];
  #taken = new Map<string, Map<string, readonly Entry[]>>();
  #takenCount = 0;
  #due = new DueTimes<Entry>();
  /** Rules that may have changed since it was last asked. */
  #touched = new Set<Entry>();
  readonly #device: string;
  readonly #elapsedMs: () => number;

  /** @param elapsedMs a clock that only goes on, to say what rules cost */
  constructor(device: string, elapsedMs: () => number) {
    this.#device = device;
    this.#elapsedMs = elapsedMs;
  }

  /** These are the rules now. @param all in the order of their deployments; others than rules are passed over */
  arrange(all: Iterable<Held>): void {
    const before = this.#entries;
    this.#entries = new Map();
    this.#named.clear();
    this.#open = [];
    this.#forget();
    this.#due.clear();
    for (const held of all) {
      if (held.rule === undefined) continue;
      const entry = { held, rule: held.rule, order: this.#entries.size, places: [] };
      this.#entries.set(held.rule, entry);
      this.#due.set(entry, held.rule.dueAt);
      if (!before.has(held.rule)) this.#touched.add(entry);
      for (const selector of held.rule.selectors) this.#index({ ...selector, entry });
    }
    for (const entry of this.#touched) if (this.#entries.get(entry.rule) !== entry) this.#touched.delete(entry);
  }

  /** @param device whose readings they are; those of another than the host's are for rules over a whole group */
  step(columns: Columns, receivedAt: number, out: RuleOutput, device?: string): void {
    if (this.#entries.size === 0) return;
    for (const entry of this.#deal(columns)) {
      const { places, rule, held } = entry;
      entry.places = [];
      // What a function says of a moment comes behind all that was measured: a level beside it is one of the same moment.
      if (held.deployed.bundle.kind === 'function') places.sort((a, b) => columns.ts[a]! - columns.ts[b]!);
      if (device !== undefined && rule.plan.by !== 'group') continue;
      const began = this.#elapsedMs();
      held.readings += rule.step(columns, receivedAt, out, { places, ...(device !== undefined && { device }) });
      held.steps++;
      held.spentMs = (held.spentMs ?? 0) + this.#elapsedMs() - began;
      this.#ran(entry);
    }
  }

  /** @param now wall time, ms */
  tick(now: number, out: RuleOutput): void {
    const due = this.#due.next;
    if (due === undefined || due > now) return;
    for (const entry of inOrder(this.#due.take(now))) {
      const began = this.#elapsedMs();
      entry.rule.tick(now, out);
      entry.held.spentMs = (entry.held.spentMs ?? 0) + this.#elapsedMs() - began;
      this.#ran(entry);
    }
  }

  /**
   * A device came or went, or so it is as rules begin.
   * @param isOwn the device of the host; else one that is gathered here
   * @returns whether there are rules that it concerns, which then have a change to keep
   */
  stands(event: FoldEvent, isOwn: boolean, now: number, out: RuleOutput): boolean {
    if (event.kind !== 'presence' && event.kind !== 'standing') return false;
    const is = event.kind === 'standing' ? event.is : event.online ? 'online' : 'offline';
    let concerns = false;
    for (const entry of this.#entries.values()) {
      const { rule } = entry;
      if (rule.plan.by !== 'group' && (!isOwn || isGatherer(this.#device))) continue;
      if (isOwn) rule.stands(is, now);
      else rule.member(event.device!, is, now, out);
      concerns = true;
      this.#ran(entry);
    }
    return concerns;
  }

  /** A person ended an episode. @returns whether it is one of these */
  endByHand(episode: string, now: number, out: RuleOutput): boolean {
    for (const entry of this.#entries.values()) {
      if (!entry.rule.endByHand(episode, now, out)) continue;
      this.#ran(entry);
      return true;
    }
    return false;
  }

  /** Wall time before which a tick has nothing to do; undefined: not before there are more readings. */
  get dueAt(): number | undefined {
    return this.#due.next;
  }

  moveTime(move: TimeMove): void {
    for (const entry of this.#entries.values()) {
      entry.rule.moveTime(move);
      this.#ran(entry);
    }
  }

  /** What has changed since it was last asked, to be committed. */
  takeChanges(into: { fold: string; json: string | null }[]): void {
    for (const { rule } of inOrder([...this.#touched])) rule.takeChanges(into);
    this.#touched.clear();
  }

  #ran(entry: Entry): void {
    this.#touched.add(entry);
    this.#due.set(entry, entry.rule.dueAt);
  }

  #index(indexed: Indexed): void {
    if (indexed.sensor.includes('*')) {
      this.#open.push(indexed);
      return;
    }
    const named = this.#named.get(indexed.sensor);
    if (named === undefined) this.#named.set(indexed.sensor, [indexed]);
    else named.push(indexed);
  }

  /** Gives each rule the places of its readings. @returns rules that have some, in order */
  #deal({ series, index }: Columns): Entry[] {
    const takers = series.map((each) => this.#takersOf(each));
    const touched: Entry[] = [];
    for (let at = 0; at < index.length; at++) {
      for (const entry of takers[index[at]!]!) {
        if (entry.places.push(at) === 1) touched.push(entry);
      }
    }
    return inOrder(touched);
  }

  #takersOf({ sensor, metric }: Series): readonly Entry[] {
    const bySensor = this.#taken.get(sensor);
    const known = bySensor?.get(metric);
    if (known !== undefined) return known;
    const takers = new Set<Entry>();
    for (const each of this.#named.get(sensor) ?? []) if (globMatches(each.metric, metric)) takers.add(each.entry);
    for (const each of this.#open) {
      if (globMatches(each.metric, metric) && globMatches(each.sensor, sensor)) takers.add(each.entry);
    }
    return this.#remember(sensor, metric, [...takers]);
  }

  #remember(sensor: string, metric: string, takers: readonly Entry[]): readonly Entry[] {
    if (this.#takenCount >= KNOWN_MAX) this.#forget();
    const bySensor = this.#taken.get(sensor);
    if (bySensor === undefined) this.#taken.set(sensor, new Map([[metric, takers]]));
    else bySensor.set(metric, takers);
    this.#takenCount++;
    return takers;
  }

  #forget(): void {
    this.#taken.clear();
    this.#takenCount = 0;
  }
}

function inOrder(entries: Entry[]): Entry[] {
  return entries.length > 1 ? entries.sort((a, b) => a.order - b.order) : entries;
}

/** Series of a fleet's greatest device fit; a flood of made-up names does not grow it. About 100 bytes each. */
const KNOWN_MAX = 50_000;
