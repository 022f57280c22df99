import { type Columns, columnsOf, type Forwarding, type Reading } from '@weir/protocols';
import { placesOf } from '../bundle/places.ts';
import { ForwardingPolicies, inParts, type PassInput } from '../forwarding/forwarding.ts';
import { PolicyFold } from '../forwarding/policy-fold.ts';
import type { OnStep } from '../rules/episode/teller.ts';
import { RuleSet } from '../rules/rule-set.ts';
import { startRule } from '../rules/start-rule.ts';
import type { Unit } from '../sandbox/protocol.ts';
import type { FunctionSandbox, Outcome } from '../sandbox/sandbox.ts';
import { NO_USAGE } from '../usage/usage.ts';
import { type FoldCall, Witnessed } from './calls.ts';
import { Emissions } from './emissions.ts';
import { gathers, takes } from './events.ts';
import type { Flow } from './flow.ts';
import {
  type Deployed,
  emptyStepOutput,
  type FoldEvent,
  type FoldHost,
  type FoldStatus,
  type StepInput,
  type StepOutput,
} from './fold.ts';
import { FunctionFold, type FunctionFoldOptions } from './function-fold.ts';
import type { FunctionState } from './function-state.ts';
import {
  arrangedFlow,
  deploymentOfState,
  type Held,
  isSame,
  parseState,
  stateOf,
  statesOf,
  statusOf,
  takeUsage,
} from './held.ts';
import type { Driven, FoldHostOptions } from './host-options.ts';
import { Judges } from './judges.ts';
import type { TimeMove } from './move-time.ts';
import { type FunctionOutput, mergeOutputs } from './outputs.ts';
import { joinColumns } from './select.ts';
import type { InputPlace } from './step-content.ts';
import { unitOf } from './unit.ts';

export function createFoldHost(options: FoldHostOptions): FoldHost & Driven {
  return new Host(options);
}

/** Alerts that functions raise about alerts come to an end; more rounds than this are a circle. */
const ALERT_ROUNDS_MAX = 4;

class Host implements FoldHost, Driven {
  #device: string;
  #sandbox: FunctionSandbox;
  #onStatus: (status: FoldStatus[]) => void;
  #functionOptions: FunctionFoldOptions;
  #held = new Map<string, Held>();
  #rules: RuleSet;
  #judges: Judges;
  /** What is no rule: there may be thousands of these, and most steps are about none of them. */
  #others: [name: string, held: Held][] = [];
  #flow: Flow = { levels: [], sources: new Map() };
  #forwarding = new ForwardingPolicies();
  #ownsUnits: boolean;
  #witnessed: Witnessed;
  #health = '';
  /** A rule that was started runs: its part of the health changes with the deployments alone. */
  #ruleHashes = '';
  #onRuleStep: OnStep | undefined;
  #holdsStates: boolean;

  constructor({
    device,
    sandbox,
    onStatus = () => {},
    onFault = () => {},
    reach = 'device',
    wait = async () => {},
    elapsedMs = () => 0,
    ownsUnits = false,
    witness,
    onRuleStep,
    holdsStates = false,
  }: FoldHostOptions) {
    this.#holdsStates = holdsStates;
    this.#onRuleStep = onRuleStep;
    this.#judges = new Judges({ device, onStep: onRuleStep });
    this.#device = device;
    this.#rules = new RuleSet(device, elapsedMs);
    this.#sandbox = sandbox;
    this.#onStatus = onStatus;
    this.#ownsUnits = ownsUnits;
    this.#witnessed = new Witnessed(witness);
    this.#functionOptions = { device, sandbox, reach, onFault, wait };
  }

  async deploy(
    wanted: readonly Deployed[],
    states: ReadonlyMap<string, string>,
    position: string,
    now: number,
  ): Promise<StepOutput> {
    const output = emptyStepOutput();
    const named = new Map(wanted.map((each) => [each.name, each]));
    const started = new Set<FunctionFold>();
    for (const [name, held] of this.#held) {
      const next = named.get(name);
      if (next === undefined || next.bundle.kind !== held.deployed.bundle.kind) this.#remove(name, held, now, output);
    }
    for (const deployed of wanted) {
      const held = this.#held.get(deployed.name);
      if (held !== undefined && isSame(held.deployed, deployed)) continue;
      const next = await this.#start(deployed, held, states, now, output);
      this.#held.set(deployed.name, next);
      if (next.fn !== undefined) started.add(next.fn);
    }
    this.#rules.arrange([...this.#held.values(), ...this.#judges.all]);
    this.#others = [...this.#held].filter(([, { rule }]) => rule === undefined);
    this.#ruleHashes = [...this.#held.values()].flatMap(({ rule, deployed }) => (rule ? deployed.hash : [])).join();
    this.#flow = arrangedFlow(this.#others.map(([, held]) => held));
    this.#forwarding.arrange([...this.#held.values()].flatMap(({ forwarding }) => forwarding ?? []));
    // State that was kept for a deployment that ended while nothing ran here.
    for (const fold of states.keys()) if (!named.has(deploymentOfState(fold))) output.states.push({ fold, json: null });
    const place = { position, receivedAt: now };
    const lost = [...started].flatMap((fn) => (fn.quarantined === undefined ? [] : fn.verdicts.unknown(now)));
    if (lost.length > 0) this.#rules.step(columnsOf(lost), now, output);
    return this.#pass(output, place, async (fn) => (started.has(fn) ? fn.begin(place) : undefined));
  }

  async step({ columns, ...from }: StepInput): Promise<StepOutput> {
    const output = emptyStepOutput();
    const { device: _, ...place } = from;
    const [emissions, isOwn] = [new Emissions(), this.#isOwn(from.device)];
    const emitted = await this.#runFunctions(output, emissions, async (fn, upstream) => {
      if (!isOwn && !gathers(fn)) return [await this.#stepOn(fn, upstream, place)];
      const [first, rest] = joinColumns(columns, upstream);
      const made = await this.#witnessed.call(fn, { kind: 'step', columns: first, place: from });
      return [made, rest && (await this.#stepOn(fn, rest, place))];
    });
    const forRules = isOwn ? joinColumns(columns, emitted) : [emitted];
    for (const part of forRules) if (part.index.length > 0) this.#rules.step(part, place.receivedAt, output);
    if (!isOwn) this.#rules.step(columns, place.receivedAt, output, from.device);
    // As a tick at their arrival would: what other series bring about must not hang on when the clock ticks.
    this.#rules.tick(place.receivedAt, output);
    return this.#finish(output, emissions, place, { input: isOwn ? columns : undefined, until: place.receivedAt });
  }

  async tick(now: number, position: string, arrivedUntil = now): Promise<StepOutput> {
    const output = emptyStepOutput();
    const [emissions, place] = [new Emissions(), { position, receivedAt: now }];
    const emitted = await this.#runFunctions(output, emissions, async (fn, upstream) => [
      await this.#witnessed.call(fn, { kind: 'tick', now, position, arrivedUntil }),
      await this.#stepOn(fn, upstream, place),
    ]);
    if (emitted.index.length > 0) this.#rules.step(emitted, now, output);
    this.#rules.tick(arrivedUntil, output);
    return this.#finish(output, emissions, place, { receivedAt: arrivedUntil, until: arrivedUntil });
  }

  moveTime(move: TimeMove): StepOutput {
    const output = emptyStepOutput();
    let closed: Reading[] = [];
    this.#rules.moveTime(move);
    for (const [, { fn, forwarding }] of this.#others) {
      this.#witnessed.pass(fn, { kind: 'time', move });
      fn?.moveTime(move);
      closed = closed.concat(forwarding?.moveTime(move) ?? []);
    }
    if (closed.length > 0) output.forwarded = { readings: inParts(closed) };
    this.#collect(output);
    return output;
  }

  async event(event: FoldEvent, position: string, now: number): Promise<StepOutput | undefined> {
    if (event.kind === 'end') return this.#endByHand(event.episode, { position, receivedAt: now });
    const isOwn = this.#isOwn('device' in event ? event.device : undefined);
    const output = emptyStepOutput();
    const isOfRules = this.#rules.stands(event, isOwn, now, output);
    const takers = this.#others.flatMap(([, { fn, circle }]) =>
      fn !== undefined && circle === undefined && (isOwn || gathers(fn)) && takes(fn, event) ? [fn] : [],
    );
    const place = { position, receivedAt: now };
    const call: FoldCall = { kind: 'event', event, place };
    for (const [, { fn }] of this.#others) if (fn && !takers.includes(fn)) this.#witnessed.pass(fn, call);
    if (takers.length === 0 && !isOfRules) return undefined;
    return this.#pass(output, place, (fn) => (takers.includes(fn) ? this.#witnessed.call(fn, call) : undefined));
  }

  async #endByHand(episode: string, place: InputPlace): Promise<StepOutput | undefined> {
    const output = emptyStepOutput();
    const { receivedAt } = place;
    const isEnded =
      this.#rules.endByHand(episode, receivedAt, output) ||
      this.#others.some(([, { fn }]) => fn?.endByHand(episode, receivedAt, output.alerts));
    return isEnded ? this.#finish(output, new Emissions(), place) : undefined;
  }

  status(): FoldStatus[] {
    return [...this.#held.values()].map((held) => this.#judges.withLoad(statusOf(held)));
  }

  get dueAt(): number {
    // Functions and policies may have something to do with each.
    return this.#others.length > 0 ? Number.NEGATIVE_INFINITY : (this.#rules.dueAt ?? Number.POSITIVE_INFINITY);
  }

  takeStates(): StepOutput['states'] {
    const states: StepOutput['states'] = [];
    this.#rules.takeChanges(states);
    return states;
  }

  dispose(): void {
    if (this.#ownsUnits) for (const [, { fn }] of this.#others) if (fn !== undefined) this.#sandbox.drop(fn.unit.key);
    this.#held.clear();
    this.#others = [];
    this.#rules.arrange([]);
  }

  /** Undefined: of the device of the host. */
  #isOwn(device: string | undefined): boolean {
    return device === undefined || device === this.#device;
  }

  async #start(
    deployed: Deployed,
    before: Held | undefined,
    states: ReadonlyMap<string, string>,
    now: number,
    output: StepOutput,
  ): Promise<Held> {
    const { bundle, name } = deployed;
    if (bundle.kind === 'forwarding') return this.#startForwarding(bundle.forwarding, deployed, before, states);
    if (bundle.kind === 'rule') {
      const start = { device: this.#device, before: before?.rule, states, now, onStep: this.#onRuleStep };
      const rule = startRule(bundle.rule, deployed, start);
      rule.endUnwatched(output);
      return { deployed, rule, steps: 0, readings: 0, told: NO_USAGE };
    }
    const unit = unitOf(deployed);
    const state = before?.fn?.state ?? parseState<FunctionState>(states.get(name));
    const fn = new FunctionFold(bundle.manifest, deployed, unit, state, this.#functionOptions);
    const held: Held = { deployed, fn, steps: 0, readings: 0, told: NO_USAGE };
    if (before?.fn !== undefined && before.fn.unit.key !== unit.key) this.#sandbox.drop(before.fn.unit.key);
    if (deployed.quarantined === undefined) {
      const outcome = await this.#load(unit);
      if (outcome.kind !== 'returned') {
        held.failure = `${outcome.kind}: ${placesOf(bundle.sourceMap).name(outcome.message)}`;
        fn.quarantined = held.failure;
      }
    }
    this.#judges.start(deployed, states, now, output);
    fn.settleAlerts(now, output.alerts);
    if (fn.isRekeyed) fn.endAll('removed', now, output.alerts);
    // Its alerts of before, which nobody would end.
    if (fn.quarantined !== undefined) fn.endAll('quarantined', now, output.alerts);
    return held;
  }

  #startForwarding(
    policy: Forwarding,
    deployed: Deployed,
    before: Held | undefined,
    states: ReadonlyMap<string, string>,
  ): Held {
    const held: Held = { deployed, steps: 0, readings: 0, told: NO_USAGE };
    if (this.#functionOptions.reach !== 'device') {
      return { ...held, failure: 'a forwarding policy runs on devices: here everything has been forwarded' };
    }
    return { ...held, forwarding: new PolicyFold(policy, before?.forwarding?.states ?? statesOf(policy.name, states)) };
  }

  /** What the functions before it in the flow made of something else than readings of this device. */
  async #stepOn(fn: FunctionFold, columns: Columns, place: InputPlace): Promise<FunctionOutput | undefined> {
    if (columns.index.length === 0) return undefined;
    return this.#witnessed.call(fn, { kind: 'step', columns, place: { ...place, position: `${place.position}.flow` } });
  }

  /** As with a step: that its process died, or a machine was busy, is no fault of the function the first time. */
  async #load(unit: Unit): Promise<Outcome> {
    const outcome = await this.#sandbox.load(unit);
    return outcome.kind === 'returned' || outcome.kind === 'threw' ? outcome : this.#sandbox.load(unit);
  }

  #remove(name: string, held: Held, now: number, output: StepOutput): void {
    held.rule?.endUnwatched(output, true);
    held.rule?.takeChanges(output.states);
    if (held.fn !== undefined) {
      held.fn.endAll('removed', now, output.alerts);
      this.#judges.remove(name, output);
      this.#sandbox.drop(held.fn.unit.key);
    }
    if (held.forwarding !== undefined) this.#forwarding.remove(held.forwarding, output.states);
    this.#held.delete(name);
    output.states = output.states.filter(({ fold }) => fold !== name);
    output.states.push({ fold: name, json: null });
  }

  /**
   * Level by level, so that each function gets what those before it in the flow emitted.
   * @returns what all emitted, in order of deployment
   */
  async #runFunctions(
    output: StepOutput,
    emissions: Emissions,
    run: (fn: FunctionFold, upstream: Columns) => Promise<(FunctionOutput | undefined)[]>,
  ): Promise<Columns> {
    const results = new Map<string, (FunctionOutput | undefined)[]>();
    const emittedBy = (name: string) => results.get(name)?.flatMap((result) => result?.emitted ?? []) ?? [];
    for (const level of this.#flow.levels) {
      const runs = level.map(async (name) => {
        const upstream = columnsOf(this.#flow.sources.get(name)!.flatMap(emittedBy));
        return [name, await run(this.#held.get(name)!.fn!, upstream)] as const;
      });
      for (const [name, result] of await Promise.all(runs)) {
        for (const each of result) if (each !== undefined) emissions.admit(name, each, output);
        results.set(name, result);
      }
    }
    const emitted = mergeOutputs(
      this.#others.flatMap(([name]) => results.get(name) ?? []),
      output,
    );
    emissions.add(emitted);
    return emitted;
  }

  /** One pass through the functions: what comes to some of them from outside, and what they feed one another. */
  async #pass(
    output: StepOutput,
    place: InputPlace,
    run: (fn: FunctionFold) => Promise<FunctionOutput | undefined> | undefined,
  ): Promise<StepOutput> {
    const emissions = new Emissions();
    const emitted = await this.#runFunctions(output, emissions, async (fn, upstream) => [
      await run(fn),
      await this.#stepOn(fn, upstream, place),
    ]);
    if (emitted.index.length > 0) this.#rules.step(emitted, place.receivedAt, output);
    return this.#finish(output, emissions, place);
  }

  async #finish(
    output: StepOutput,
    emissions: Emissions,
    place: InputPlace,
    pass: Partial<PassInput> = {},
  ): Promise<StepOutput> {
    await this.#tellAlerts(output, emissions, place);
    output.emitted = emissions.columns;
    const forwarded = this.#forwarding.pass({ receivedAt: place.receivedAt, emitted: output.emitted, ...pass });
    if (forwarded !== undefined) output.forwarded = forwarded;
    this.#collect(output);
    this.#tellHealth();
    return output;
  }

  /** The alerts of the step to the functions that handle alerts, and what comes of that, in rounds. */
  async #tellAlerts(output: StepOutput, emissions: Emissions, place: InputPlace): Promise<void> {
    const isListening = this.#others.some(([, { fn }]) => fn?.handles('alert') || this.#witnessed.watches(fn));
    if (!isListening) return;
    let told = 0;
    for (let round = 1; told < output.alerts.length; round++) {
      if (round > ALERT_ROUNDS_MAX) {
        const text = `functions raise alerts about alerts in a circle; ${output.alerts.length - told} were not handed on`;
        output.logs.push({ fold: 'alerts', level: 'error', text, ts: place.receivedAt });
        return;
      }
      const alerts = output.alerts.slice(told);
      told = output.alerts.length;
      const at = { ...place, position: `${place.position}.alerts${round}` };
      const more = await this.#runFunctions(output, emissions, async (fn, upstream) => [
        await this.#witnessed.call(fn, { kind: 'event', event: { kind: 'alerts', alerts }, place: at }),
        await this.#stepOn(fn, upstream, at),
      ]);
      if (more.index.length > 0) this.#rules.step(more, place.receivedAt, output);
    }
  }

  #collect(output: StepOutput): void {
    for (const [fold, held] of this.#others) {
      const used = takeUsage(held);
      if (used !== undefined) output.usage.push(used);
      held.forwarding?.takeChanges(output.states);
      if (held.fn === undefined || !held.fn.changed) continue;
      held.fn.changed = false;
      output.states.push({ fold, json: JSON.stringify(held.fn.state) });
    }
    if (!this.#holdsStates) this.#rules.takeChanges(output.states);
  }

  #tellHealth(): void {
    const health = `${this.#ruleHashes}:${this.#others.map(([, held]) => `${held.deployed.hash}:${stateOf(held)}`).join()}`;
    if (health === this.#health) return;
    this.#health = health;
    this.#onStatus(this.status());
  }
}
