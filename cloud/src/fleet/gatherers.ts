/**
 * Functions and rules in the cloud with one state for their whole group. Each stands there like one more device of the group,
 * the gatherer: what the function emits are its readings, over which those rules and functions of the group run that
 * take them.
 *
 *     device -+-> functions and rules of the device
 *             +-> gatherer: the function -> rules and functions that take what it emits
 *                                       +-> other gatherers
 */
import { type Bundle, type Gatherer, gathererId, parseGatherer, rulePlan, signalsOf } from '@weir/protocols';
import { flowNode, flowOf, globsMeet } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import type { DeploymentRecord } from './fleet.ts';
import { deploymentsOf } from './groups.ts';
import { GATHERER_TABLE } from './keys.ts';

/** A deployment with its bundle. */
export interface Parsed {
  deployment: DeploymentRecord;
  bundle: Bundle;
}

/** What runs for a gatherer, the function or rule itself first, and the gatherers that take what these emit. */
export interface Gathering {
  run: Parsed[];
  feeds: Parsed[];
}

/** @param all what the group wants in the cloud */
export function gatheringOf({ name }: Gatherer, all: readonly Parsed[]): Gathering {
  const own = all.find(({ deployment }) => deployment.name === name && deployment.gathers);
  if (own === undefined) return { run: [], feeds: [] };
  const functions = all.filter(({ bundle }) => bundle.kind === 'function');
  const { sources } = flowOf(
    functions.flatMap(({ bundle }) => (bundle.kind === 'function' ? [flowNode(bundle.manifest)] : [])),
  );
  const run = [own];
  const isFed = ({ deployment }: Parsed) =>
    sources.get(deployment.name)?.some((source) => run.some((each) => each.deployment.name === source)) ?? false;
  for (;;) {
    const next = functions.find((each) => !each.deployment.gathers && !run.includes(each) && isFed(each));
    if (next === undefined) break;
    run.push(next);
  }
  const feeds = functions.filter((each) => each.deployment.gathers && each !== own && isFed(each));
  const rules = all.filter(({ bundle }) => run.some((from) => mayTake(bundle, from.bundle)));
  const [alone = [], beside = []] = [rules.filter(gathers), rules.filter((each) => !gathers(each))];
  return { run: [...run, ...beside], feeds: [...feeds, ...alone] };
}

/** Gatherers of a group: those that are wanted, and those of which something is known. */
export async function gatherersOf(store: Store, group: string): Promise<string[]> {
  const wanted = (await deploymentsOf(store, group)).filter(({ gathers }) => gathers);
  const found = new Set(wanted.map(({ name }) => gathererId({ group, name })));
  let after: string | undefined = `${group}/`;
  do {
    const page: { names: string[]; next?: string } = await store.partitions(GATHERER_TABLE, { after });
    const own = page.names.filter((id) => parseGatherer(id)?.group === group);
    for (const id of own) found.add(id);
    after = own.length === page.names.length ? page.next : undefined;
  } while (after !== undefined);
  return [...found].sort();
}

const gathers = ({ deployment }: Parsed) => deployment.gathers === true;

/** Whether a rule would look at what a function emits; one that declares nothing may emit anything. */
function mayTake(rule: Bundle, from: Bundle): boolean {
  if (rule.kind !== 'rule' || from.kind !== 'function') return false;
  const { outputs } = from.manifest;
  const signals = signalsOf(rulePlan(rule.rule));
  const meets = (a: { sensor: string; metric: string }, b: { sensor: string; metric: string }) =>
    globsMeet(a.sensor, b.sensor) && globsMeet(a.metric, b.metric);
  return outputs.length === 0 || outputs.some((output) => signals.some((signal) => meets(output, signal)));
}
