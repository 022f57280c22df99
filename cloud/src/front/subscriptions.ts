/**
 * Who subscribed to what, such that a message costs what its topic has levels, not what the fleet has devices.
 *
 *     exact filters   by their text
 *     wildcards       level by level: `$aws` -> `things` -> `gw1` -> `+` ...
 *
 * Nearly all filters are exact, and nearly each has one subscriber: of those one entry of a map is kept.
 */
import type { QoS } from './front.ts';

export interface Subscriber {
  /** Kept by {@link Subscriptions}. */
  readonly filters: Map<string, QoS>;
}

interface Level<S> {
  readonly below: Map<string, Level<S>>;
  /** Whose filter ends here. */
  readonly here: Map<S, QoS>;
}

export class Subscriptions<S extends Subscriber> {
  readonly #exact = new Map<string, S | Set<S>>();
  readonly #wild: Level<S> = emptyLevel();

  add(subscriber: S, filter: string, qos: QoS): void {
    subscriber.filters.set(filter, qos);
    if (isWild(filter)) {
      let level = this.#wild;
      for (const name of filter.split('/')) {
        const next = level.below.get(name) ?? emptyLevel<S>();
        level.below.set(name, next);
        level = next;
      }
      level.here.set(subscriber, qos);
      return;
    }
    const there = this.#exact.get(filter);
    if (there === undefined || there === subscriber) this.#exact.set(filter, subscriber);
    else if (there instanceof Set) there.add(subscriber);
    else this.#exact.set(filter, new Set([there, subscriber]));
  }

  remove(subscriber: S, filter: string): void {
    if (!subscriber.filters.delete(filter)) return;
    if (isWild(filter)) {
      removeBelow(this.#wild, filter.split('/'), subscriber);
      return;
    }
    const there = this.#exact.get(filter);
    if (there instanceof Set) there.delete(subscriber);
    if (there === subscriber || (there instanceof Set && there.size === 0)) this.#exact.delete(filter);
  }

  removeAll(subscriber: S): void {
    for (const filter of [...subscriber.filters.keys()]) this.remove(subscriber, filter);
  }

  /** Each once, with the highest QoS of its filters that match. @see MQTT 3.1.1 section 3.3.5 */
  of(topic: string): Map<S, QoS> {
    const found = new Map<S, QoS>();
    const there = this.#exact.get(topic);
    if (there instanceof Set) for (const each of there) note(found, each, each.filters.get(topic)!);
    else if (there !== undefined) note(found, there, there.filters.get(topic)!);
    if (this.#wild.below.size > 0) collect(this.#wild, topic.split('/'), 0, found);
    return found;
  }
}

function emptyLevel<S>(): Level<S> {
  return { below: new Map(), here: new Map() };
}

function isWild(filter: string): boolean {
  return filter.includes('+') || filter.includes('#');
}

function note<S>(found: Map<S, QoS>, subscriber: S, qos: QoS): void {
  if (qos > (found.get(subscriber) ?? -1)) found.set(subscriber, qos);
}

function collect<S>(level: Level<S>, names: readonly string[], at: number, found: Map<S, QoS>): void {
  // [MQTT-4.7.2-1]
  const isReserved = at === 0 && names[0]!.startsWith('$');
  if (!isReserved) for (const [each, qos] of level.below.get('#')?.here ?? []) note(found, each, qos);
  if (at === names.length) {
    for (const [each, qos] of level.here) note(found, each, qos);
    return;
  }
  const named = level.below.get(names[at]!);
  if (named !== undefined) collect(named, names, at + 1, found);
  const any = isReserved ? undefined : level.below.get('+');
  if (any !== undefined) collect(any, names, at + 1, found);
}

/** Levels that nobody needs go with their last subscriber. */
function removeBelow<S>(level: Level<S>, [name, ...rest]: readonly string[], subscriber: S): void {
  if (name === undefined) {
    level.here.delete(subscriber);
    return;
  }
  const next = level.below.get(name)!;
  removeBelow(next, rest, subscriber);
  if (next.here.size === 0 && next.below.size === 0) level.below.delete(name);
}
