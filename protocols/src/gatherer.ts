import { NAME_PATTERN } from './reading.ts';

/**
 * A function in the cloud with one state for its whole group gathers what all devices of the group send. What it emits
 * and raises is no device's: in place of a device's name it has `<group>/<function>`, which no device can be named.
 */
export interface Gatherer {
  group: string;
  name: string;
}

export function gathererId({ group, name }: Gatherer): string {
  return `${group}/${name}`;
}

/** Undefined for any other text, so also for the name of a device. */
export function parseGatherer(text: string): Gatherer | undefined {
  const [group, name, ...rest] = text.split('/');
  if (group === undefined || name === undefined || rest.length > 0) return undefined;
  return NAME_PATTERN.test(group) && NAME_PATTERN.test(name) ? { group, name } : undefined;
}

export function isGatherer(text: string): boolean {
  return parseGatherer(text) !== undefined;
}
