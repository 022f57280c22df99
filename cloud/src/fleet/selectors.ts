/**
 * What the groups that select by tags select, all of them in one item: whoever places a device reads it once, and what was placed by
 * an older one is told by its version.
 *
 *     fleet / membership / selectors     { groups: { name: { selector, priority } }, removing: [ name ] }
 */
import { parseSelector, type Selector, SelectorError } from '@weir/protocols';
import type { Change, Store } from '../store/store.ts';
import { FleetError } from './error.ts';
import { SELECTORS_KEY } from './keys.ts';

export interface SelectorsStored {
  groups: Record<string, { selector: string; priority: number }>;
  /** Groups that are gone: what their devices still know of them is being taken away. */
  removing: string[];
}

/** All selectors, understood. */
export interface Selectors {
  /** 0: there never was one. */
  version: number;
  stored: SelectorsStored;
  groups: { name: string; selector: Selector; priority: number }[];
  removing: ReadonlySet<string>;
}

/** Each is looked at for each device that joins, and all of them are one item of the store: 256 of 1,000 characters. */
const DYNAMIC_GROUPS_MAX = 256;

export async function readSelectors(store: Store): Promise<Selectors> {
  const item = await store.get(SELECTORS_KEY);
  const stored = (item?.json as SelectorsStored | undefined) ?? { groups: {}, removing: [] };
  const groups = Object.entries(stored.groups).map(([name, { selector, priority }]) => ({
    name,
    selector: parseSelector(selector),
    priority,
  }));
  return { version: item?.version ?? 0, stored, groups, removing: new Set(stored.removing) };
}

export async function selectorsVersion(store: Store): Promise<number> {
  return (await store.get(SELECTORS_KEY))?.version ?? 0;
}

/** @param change of what is stored, made in the same write as what goes with it */
export function selectorsChange({ version, stored }: Selectors, change: Partial<SelectorsStored>): Change {
  const next = { ...stored, ...change };
  const count = Object.keys(next.groups).length;
  if (count > DYNAMIC_GROUPS_MAX) {
    throw new FleetError(
      'limit-exceeded',
      `there would be ${count} groups with a selector; ${DYNAMIC_GROUPS_MAX} is the limit`,
      'have one group where several want the same, or list the devices: weir group add GROUP DEVICE',
    );
  }
  return { put: SELECTORS_KEY, json: next, ifVersion: version };
}

/** @throws {FleetError} `selector-invalid`, with the place in the text */
export function understood(text: string): Selector {
  try {
    return parseSelector(text);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    throw new FleetError(
      'selector-invalid',
      `the selector cannot be read: ${error.message}\n  ${text}\n  ${' '.repeat(error.position)}^`,
      "write it as in Kubernetes, e.g. 'site=oslo, model!=v1', 'line in (a, b)', '!spare'",
    );
  }
}
