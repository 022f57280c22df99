/** One deployment, what runs for it, and how it is doing. */
import { bundleIdentity, type DeploymentState, type JsonObject, sameJson } from '@weir/protocols';
import type { PolicyFold } from '../forwarding/policy-fold.ts';
import type { RuleFold } from '../rules/rule-fold.ts';
import { type FunctionUsage, usageSince } from '../usage/usage.ts';
import { type Flow, flowNode, flowOf } from './flow.ts';
import type { Deployed, FoldStatus, Usage } from './fold.ts';
import type { FunctionFold } from './function-fold.ts';

/** What runs is one of `rule`, `fn` and `forwarding`; none when it could not be started. */
export interface Held {
  deployed: Deployed;
  rule?: RuleFold;
  fn?: FunctionFold;
  forwarding?: PolicyFold;
  failure?: string;
  /** The circle of functions it is part of; it then does not run. */
  circle?: string | undefined;
  steps: number;
  /** Of a rule. */
  spentMs?: number;
  readings: number;
  /** Of what the function has used, what steps have told. */
  told: Readonly<Usage>;
}

export function statusOf(held: Held): FoldStatus {
  const { deployed, fn, rule, forwarding, failure, circle } = held;
  const reason = failure ?? circle ?? fn?.quarantined ?? fn?.lastError;
  const { name: _, ...identity } = bundleIdentity(deployed.bundle, deployed.hash);
  const status: FoldStatus = {
    name: deployed.name,
    ...identity,
    hash: deployed.hash,
    state: stateOf(held),
    errors: fn?.usage.errors ?? 0,
    steps: fn?.usage.invocations ?? held.steps,
    readings: fn?.usage.readings ?? held.readings,
  };
  if (fn !== undefined) {
    status.usage = { ...fn.usage };
    status.stepsWell = fn.stepsWell;
  }
  if (forwarding !== undefined) {
    status.forwarding = forwarding.status;
    status.readings = status.forwarding.entries.reduce((sum, { taken }) => sum + taken, 0);
  }
  if (rule !== undefined) status.rule = { spentMs: held.spentMs ?? 0, ...rule.load };
  if (reason !== undefined) status.reason = reason;
  return status;
}

/** What its function has used since this was asked last. */
export function takeUsage(held: Held): FunctionUsage | undefined {
  const { fn, told } = held;
  const used = fn && usageSince(told, fn.usage);
  if (used === undefined) return undefined;
  held.told = { ...fn!.usage };
  const { name, version, memoryMb } = fn!.manifest;
  return { fold: name, version, memoryMb, ...used };
}

export function stateOf({ failure, circle, fn }: Held): DeploymentState {
  if (failure !== undefined || circle !== undefined) return 'failed';
  return fn?.quarantined !== undefined ? 'quarantined' : 'running';
}

export function isSame(a: Deployed, b: Deployed): boolean {
  return a.hash === b.hash && sameJson(a.config as JsonObject, b.config as JsonObject);
}

/** The deployment that a state is kept for: that of a series stands behind its name, with a stroke between. */
export function deploymentOfState(key: string): string {
  const end = key.indexOf('/');
  return end < 0 ? key : key.slice(0, end);
}

/** Of all that is kept, what one deployment has. */
export function statesOf(name: string, states: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...states].filter(([key]) => deploymentOfState(key) === name));
}

/** Written by the host and committed whole; anything else is a bug of the host, which must not lose readings. */
export function parseState<T>(json: string | undefined): T | undefined {
  return json === undefined ? undefined : (JSON.parse(json) as T);
}

/** In which order functions run. What is on a cycle does not: which of them is wrong, only a person can say. */
export function arrangedFlow(others: readonly Held[]): Flow {
  const functions = others.filter(({ fn, failure }) => fn !== undefined && failure === undefined);
  for (const held of functions) held.circle = undefined;
  for (;;) {
    const running = functions.filter(({ circle }) => circle === undefined);
    const flow = flowOf(running.map(({ fn }) => flowNode(fn!.manifest)));
    const { cycle } = flow;
    if (cycle === undefined) return flow;
    for (const held of running) {
      if (cycle.includes(held.deployed.name))
        held.circle = `functions feed one another in a circle: ${cycle.join(' -> ')}`;
    }
  }
}
