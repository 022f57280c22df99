import {
  type AlertTransition,
  type Columns,
  columnsOf,
  type DeploymentState,
  type JsonObject,
  type Reading,
  sameJson,
} from '@weir/protocols';
import { placesOf } from '../bundle/places.ts';
import { RuleFold, type RuleState } from '../rules/rule-fold.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { type Flow, flowNode, flowOf } from './flow.ts';
import type { Deployed, Fault, FoldHost, FoldStatus, StepInput, StepOutput } from './fold.ts';
import { FunctionFold, type FunctionOutput, type FunctionState } from './function-fold.ts';
import { joinColumns } from './select.ts';

export interface FoldHostOptions {
  device: string;
  sandbox: Sandbox;
  /** Told when a fold's state of health changed, e.g. quarantined. */
  onStatus?: (status: FoldStatus[]) => void;
  /** Told of each error of user code; a step tells of some at most. */
  onFault?: (fault: Fault) => void;
}

export function createFoldHost(options: FoldHostOptions): FoldHost {
  return new Host(options);
}

/** One deployment and what runs for it; neither when it could not be started. */
interface Held {
  deployed: Deployed;
  rule?: RuleFold;
  fn?: FunctionFold;
  failure?: string;
  /** The circle of functions it is part of; it then does not run. */
  circle?: string | undefined;
  steps: number;
  readings: number;
}

class Host implements FoldHost {
  #device: string;
  #sandbox: Sandbox;
  #onStatus: (status: FoldStatus[]) => void;
  #onFault: (fault: Fault) => void;
  #held = new Map<string, Held>();
  #flow: Flow = { levels: [], sources: new Map() };
  #health = '';

  constructor({ device, sandbox, onStatus = () => {}, onFault = () => {} }: FoldHostOptions) {
    this.#device = device;
    this.#sandbox = sandbox;
    this.#onStatus = onStatus;
    this.#onFault = onFault;
  }

  async deploy(
    wanted: readonly Deployed[],
    states: ReadonlyMap<string, string>,
    _position: string,
    now: number,
  ): Promise<StepOutput> {
    const output = emptyOutput();
    const names = new Set(wanted.map(({ name }) => name));
    for (const [name, held] of this.#held) {
      const next = wanted.find((each) => each.name === name);
      if (next === undefined || next.bundle.kind !== held.deployed.bundle.kind) this.#remove(name, held, now, output);
    }
    for (const deployed of wanted) {
      const held = this.#held.get(deployed.name);
      if (held !== undefined && isSame(held.deployed, deployed)) continue;
      this.#held.set(deployed.name, await this.#start(deployed, held, states.get(deployed.name), now, output));
    }
    this.#arrangeFlow();
    // State that was kept for a deployment that ended while nothing ran here.
    for (const fold of states.keys()) if (!names.has(fold)) output.states.push({ fold, json: null });
    this.#collect(output);
    this.#tellHealth();
    return output;
  }

  async step({ columns, receivedAt, position }: StepInput): Promise<StepOutput> {
    const output = emptyOutput();
    const emitted = await this.#runFunctions(output, async (fn, upstream) => [
      await fn.step(joinColumns(columns, upstream), position),
    ]);
    this.#runRules(joinColumns(columns, emitted), receivedAt, output);
    return this.#finish(output, emitted);
  }

  async tick(now: number, position: string): Promise<StepOutput> {
    const output = emptyOutput();
    const emitted = await this.#runFunctions(output, async (fn, upstream) => [
      ...(await fn.tick(now, position)),
      upstream.index.length > 0 ? await fn.step(upstream, `${position}.flow`) : undefined,
    ]);
    if (emitted.index.length > 0) this.#runRules(emitted, now, output);
    for (const { rule } of this.#held.values()) rule?.tick(now, output.alerts);
    return this.#finish(output, emitted);
  }

  status(): FoldStatus[] {
    return [...this.#held.values()].map((held) => {
      const { deployed, fn, failure, circle } = held;
      const reason = failure ?? circle ?? fn?.quarantined ?? fn?.lastError;
      const status: FoldStatus = {
        name: deployed.name,
        kind: deployed.bundle.kind,
        version: versionOf(deployed),
        hash: deployed.hash,
        state: stateOf(held),
        errors: fn?.errors ?? 0,
        steps: fn?.steps ?? held.steps,
        readings: fn?.readings ?? held.readings,
      };
      if (reason !== undefined) status.reason = reason;
      return status;
    });
  }

  dispose(): void {
    this.#held.clear();
  }

  async #start(
    deployed: Deployed,
    before: Held | undefined,
    saved: string | undefined,
    now: number,
    output: StepOutput,
  ): Promise<Held> {
    const { bundle } = deployed;
    if (bundle.kind === 'rule') {
      const state = before?.rule?.state ?? parseState<RuleState>(saved);
      const rule = new RuleFold(this.#device, bundle.rule, versionOf(deployed), state);
      rule.endUnwatched(output.alerts);
      return { deployed, rule, steps: 0, readings: 0 };
    }
    const config = JSON.stringify(deployed.config);
    const { timeoutMs, memoryMb } = bundle.manifest;
    const unit = { key: `${deployed.hash}:${config}`, code: bundle.code, config, timeoutMs, memoryMb };
    const state = before?.fn?.state ?? parseState<FunctionState>(saved);
    const fn = new FunctionFold(this.#device, bundle.manifest, deployed, unit, this.#sandbox, state, this.#onFault);
    const held: Held = { deployed, fn, steps: 0, readings: 0 };
    if (before?.fn !== undefined && before.fn.unit.key !== unit.key) this.#sandbox.drop(before.fn.unit.key);
    if (deployed.quarantined === undefined) {
      const outcome = await this.#sandbox.load(unit);
      if (outcome.kind !== 'returned') {
        held.failure = `${outcome.kind}: ${placesOf(bundle.sourceMap).name(outcome.message)}`;
        fn.quarantined = held.failure;
      }
    }
    // Its alerts of before, which nobody would end.
    if (fn.quarantined !== undefined) fn.endAll('quarantined', now, output.alerts);
    return held;
  }

  #remove(name: string, held: Held, now: number, output: StepOutput): void {
    held.rule?.endUnwatched(output.alerts, true);
    if (held.fn !== undefined) {
      held.fn.endAll('removed', now, output.alerts);
      this.#sandbox.drop(held.fn.unit.key);
    }
    this.#held.delete(name);
    output.states.push({ fold: name, json: null });
  }

  #runRules(columns: Columns, receivedAt: number, output: StepOutput): void {
    for (const held of this.#held.values()) {
      if (held.rule === undefined) continue;
      const seen = held.rule.step(columns, receivedAt, output.alerts);
      if (seen > 0) held.steps++;
      held.readings += seen;
    }
  }

  /**
   * Level by level, so that each function gets what those before it in the flow emitted.
   * @returns what all emitted, in order of deployment
   */
  async #runFunctions(
    output: StepOutput,
    run: (fn: FunctionFold, upstream: Columns) => Promise<(FunctionOutput | undefined)[]>,
  ): Promise<Columns> {
    const results = new Map<string, (FunctionOutput | undefined)[]>();
    const emittedBy = (name: string) => results.get(name)?.flatMap((result) => result?.emitted ?? []) ?? [];
    for (const level of this.#flow.levels) {
      const runs = level.map(async (name) => {
        const upstream = columnsOf(this.#flow.sources.get(name)!.flatMap(emittedBy));
        return [name, await run(this.#held.get(name)!.fn!, upstream)] as const;
      });
      for (const [name, result] of await Promise.all(runs)) results.set(name, result);
    }
    return this.#merge(
      [...this.#held.keys()].flatMap((name) => results.get(name) ?? []),
      output,
    );
  }

  #merge(results: readonly (FunctionOutput | undefined)[], output: StepOutput): Columns {
    const emitted: Reading[] = [];
    for (const result of results) {
      if (result === undefined) continue;
      for (const reading of result.emitted) emitted.push(reading);
      output.alerts.push(...result.alerts);
      output.publishes.push(...result.publishes);
      output.logs.push(...result.logs);
    }
    return columnsOf(emitted);
  }

  /** What is on a cycle does not run: which of them is wrong, only a person can say. */
  #arrangeFlow(): void {
    const functions = [...this.#held.values()].filter(({ fn, failure }) => fn !== undefined && failure === undefined);
    for (const held of functions) held.circle = undefined;
    for (;;) {
      const running = functions.filter(({ circle }) => circle === undefined);
      this.#flow = flowOf(running.map(({ fn }) => flowNode(fn!.manifest)));
      const { cycle } = this.#flow;
      if (cycle === undefined) return;
      for (const held of running) {
        if (cycle.includes(held.deployed.name))
          held.circle = `functions feed one another in a circle: ${cycle.join(' -> ')}`;
      }
    }
  }

  #finish(output: StepOutput, emitted: Columns): StepOutput {
    output.emitted = emitted;
    this.#collect(output);
    this.#tellHealth();
    return output;
  }

  #collect(output: StepOutput): void {
    for (const [fold, { rule, fn }] of this.#held) {
      const held = rule ?? fn;
      if (held === undefined || !held.changed) continue;
      held.changed = false;
      output.states.push({ fold, json: JSON.stringify(held.state) });
    }
  }

  #tellHealth(): void {
    const health = [...this.#held.values()].map((held) => `${held.deployed.hash}:${stateOf(held)}`).join();
    if (health === this.#health) return;
    this.#health = health;
    this.#onStatus(this.status());
  }
}

function emptyOutput(): StepOutput {
  return { states: [], emitted: columnsOf([]), alerts: [] as AlertTransition[], publishes: [], logs: [] };
}

function isSame(a: Deployed, b: Deployed): boolean {
  return a.hash === b.hash && sameJson(a.config as JsonObject, b.config as JsonObject);
}

function stateOf({ failure, circle, fn }: Held): DeploymentState {
  if (failure !== undefined || circle !== undefined) return 'failed';
  return fn?.quarantined !== undefined ? 'quarantined' : 'running';
}

function versionOf({ bundle, hash }: Deployed): string {
  if (bundle.kind === 'function') return bundle.manifest.version;
  return bundle.rule.version ?? hash.slice(0, 12);
}

/** Written by this class and committed whole; anything else is a bug of the host, which must not lose readings. */
function parseState<T>(json: string | undefined): T | undefined {
  return json === undefined ? undefined : (JSON.parse(json) as T);
}
