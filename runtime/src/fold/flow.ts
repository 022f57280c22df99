/**
 * How functions feed one another: what one declares as output, others take as input. The order is that of the flow,
 * so that within one step a reading passes through the whole chain.
 *
 *     [ raw ] -> level 0: a, b -> level 1: c (takes what a emits) -> level 2: d
 */
import type { Manifest } from '@weir/protocols';
import type { Selector } from './select.ts';

export interface FlowNode {
  name: string;
  /** Empty: everything; undefined: it takes no readings. */
  inputs: readonly Selector[] | undefined;
  /** Empty: feeds nobody. */
  outputs: readonly Selector[];
}

export interface Flow {
  /** Names of functions; each level needs only levels before it. */
  levels: string[][];
  /** Whose output each function takes. */
  sources: Map<string, string[]>;
  /** Names along a cycle, the first again at the end; those on it are in no level. */
  cycle?: string[];
}

/** A function never gets what it emitted itself. */
export function flowOf(nodes: readonly FlowNode[]): Flow {
  const sources = new Map(
    nodes.map((node) => [
      node.name,
      nodes.filter((from) => from !== node && feeds(from, node)).map(({ name }) => name),
    ]),
  );
  const levels: string[][] = [];
  const placed = new Set<string>();
  let left = nodes.map(({ name }) => name);
  while (left.length > 0) {
    const level = left.filter((name) => sources.get(name)!.every((source) => placed.has(source)));
    if (level.length === 0) return { levels, sources, cycle: cycleIn(left, sources) };
    levels.push(level);
    for (const name of level) placed.add(name);
    left = left.filter((name) => !placed.has(name));
  }
  return { levels, sources };
}

export function flowNode({ name, inputs, outputs, handlers }: Manifest): FlowNode {
  const takes = handlers.includes('reading') || handlers.includes('readings');
  return { name, inputs: takes ? inputs : undefined, outputs };
}

function feeds(from: FlowNode, to: FlowNode): boolean {
  if (to.inputs === undefined) return false;
  const inputs = to.inputs.length > 0 ? to.inputs : [{ sensor: '*', metric: '*' }];
  return from.outputs.some((output) =>
    inputs.some((input) => globsMeet(output.sensor, input.sensor) && globsMeet(output.metric, input.metric)),
  );
}

/** Follows sources among the names that could not be placed until one comes again. */
function cycleIn(left: readonly string[], sources: ReadonlyMap<string, readonly string[]>): string[] {
  const path = [left[0]!];
  for (;;) {
    const source = sources.get(path.at(-1)!)!.find((name) => left.includes(name))!;
    const at = path.indexOf(source);
    path.push(source);
    // Sources were followed upstream; it is told downstream.
    if (at >= 0) return path.slice(at).reverse();
  }
}

/** Whether there is a name that both globs match. */
export function globsMeet(a: string, b: string): boolean {
  const known = new Map<number, boolean>();
  const meet = (i: number, j: number): boolean => {
    const key = i * (b.length + 1) + j;
    let result = known.get(key);
    if (result === undefined) {
      if (i === a.length && j === b.length) result = true;
      else if (a[i] === '*') result = meet(i + 1, j) || (j < b.length && meet(i, j + 1));
      else if (b[j] === '*') result = meet(i, j + 1) || (i < a.length && meet(i + 1, j));
      else result = i < a.length && a[i] === b[j] && meet(i + 1, j + 1);
      known.set(key, result);
    }
    return result;
  };
  return meet(0, 0);
}
