/**
 * What a condition over a group keeps of each device stands apart in its state, so that a step writes what it has changed and
 * not what all devices ever said:
 *
 *     whole    { "@": [[ gw1, … ], [ gw2, … ]] }, somewhere in a tree
 *     core     the same tree with { "@": [] }
 *     share    of one device: the same tree with { "@": [[ gw1, … ]] }, and null for what is of none
 *
 * Devices stand in the order in which they were first heard of: sums come to the same, to the last bit, after a restart.
 */
import type { Json } from '@weir/protocols';

export interface ByDevice {
  '@': [device: string, state: Json][];
}

export function byDevice(entries: Iterable<readonly [device: string, state: Json]>): Json {
  return { '@': [...entries] } as unknown as Json;
}

/** @param device undefined: none; one that is not there has no entry */
export function partByDevice(device: string | undefined, stateOf: (device: string) => Json | undefined): Json {
  const state = device === undefined ? undefined : stateOf(device);
  return byDevice(state === undefined ? [] : [[device!, state]]);
}

/** What was put together by {@link byDevice}; undefined: it is of another form. */
export function readByDevice(state: Json | undefined): [device: string, state: Json][] | undefined {
  return isByDevice(state) ? state['@'] : undefined;
}

/** The whole from its core and the shares of all devices, in their order. */
export function joinedByDevice(core: Json, shares: readonly (Json | undefined)[]): Json {
  if (isByDevice(core)) {
    return byDevice([...core['@'], ...shares.flatMap((share) => (isByDevice(share) ? share['@'] : []))]);
  }
  if (core === null || typeof core !== 'object') return core;
  if (Array.isArray(core))
    return core.map((each, at) =>
      joinedByDevice(
        each,
        shares.map((share) => partAt(share, at)),
      ),
    );
  return Object.fromEntries(
    Object.entries(core).map(([key, each]) => [
      key,
      joinedByDevice(
        each!,
        shares.map((share) => partAt(share, key)),
      ),
    ]),
  );
}

function partAt(share: Json | undefined, key: string | number): Json | undefined {
  return share === null || typeof share !== 'object' ? undefined : (share as Record<string | number, Json>)[key];
}

function isByDevice(state: unknown): state is ByDevice {
  return typeof state === 'object' && state !== null && '@' in state;
}
