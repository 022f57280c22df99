/**
 * A rule over readings that were recorded or made up, as a device or the hub would run it: the real fold host, its clock
 * ticking between the readings. Time is that of the readings; nothing depends on the machine or on how fast it is.
 */
import type { AlertTransition, Columns, JsonObject } from '@weir/protocols';
import type { BuiltBundle } from '../bundle/bundle.ts';
import { UsageError } from '../errors.ts';
import type { Fault, FoldHost, Publish, StepOutput } from '../fold/fold.ts';
import { createFoldHost } from '../fold/host.ts';
import type { Driven } from '../fold/host-options.ts';
import type { FunctionSandbox } from '../sandbox/sandbox.ts';
import type { OnStep } from './episode/teller.ts';
import { factsOf } from './rule-facts.ts';

export interface RuleReplayOptions {
  /** For conditions that are functions; nothing is loaded into it otherwise. */
  sandbox: FunctionSandbox;
  /** Whose rule it is: a device, or `<group>/<rule>` of one that gathers. */
  device: string;
  config?: JsonObject;
  /** In the order in which they come. */
  onTransition(transition: AlertTransition): void;
  onPublish?(publish: Publish): void;
  /** Each time the rule was judged. */
  onStep?: OnStep;
  /** A condition that is a function has failed. */
  onFault?(fault: Fault): void;
}

/** How often the owners of a fold host call `tick`. */
export const REPLAY_TICK_MS = 1_000;

/** Calls do not overlap, and each is later than the one before, or at the same time. Times are ms since epoch. */
export class RuleReplay {
  readonly #built: Pick<BuiltBundle, 'bundle' | 'hash'>;
  readonly #options: RuleReplayOptions;
  readonly #name: string;
  readonly #states = new Map<string, string>();
  #config: JsonObject;
  #host: (FoldHost & Driven) | undefined;
  #steps = 0;
  #tickAt = 0;
  #now = 0;

  constructor(built: Pick<BuiltBundle, 'bundle' | 'hash'>, options: RuleReplayOptions) {
    const { rule } = factsOf(built.bundle);
    this.#built = built;
    this.#options = options;
    this.#config = options.config ?? {};
    this.#name = rule.name;
  }

  /** Up to when the clock has run. */
  get now(): number {
    return this.#now;
  }

  /** @throws {UsageError} `rule-failed` when it cannot be started */
  async start(now: number): Promise<void> {
    this.#now = now;
    await this.#open();
    this.#tickAt = now + REPLAY_TICK_MS;
  }

  /** Lets the clock run: what falls due falls due as live, with the tick that comes next. */
  async runUntil(at: number): Promise<void> {
    while (this.#tickAt <= at) {
      // Ticks that would do nothing are left out: most of a month is such.
      const { dueAt } = this.#host!;
      const idle = Math.ceil((Math.min(dueAt, at + 1) - this.#tickAt) / REPLAY_TICK_MS);
      if (idle > 0) {
        this.#tickAt += idle * REPLAY_TICK_MS;
        continue;
      }
      this.#take(await this.#host!.tick(this.#tickAt, this.#position()));
      this.#tickAt += REPLAY_TICK_MS;
    }
    this.#now = Math.max(this.#now, at);
  }

  /** @param device whose readings they are, where the rule gathers */
  async step(columns: Columns, receivedAt: number, device?: string): Promise<void> {
    await this.runUntil(receivedAt);
    const input = { position: this.#position(), receivedAt: this.#now, columns };
    this.#take(await this.#host!.step(device === undefined ? input : { ...input, device }));
  }

  /** The device came or went, as the hub sees it. */
  async presence(online: boolean, at: number, device?: string): Promise<void> {
    await this.runUntil(at);
    const event = { kind: 'presence', online, ...(device !== undefined && { device }) } as const;
    const output = await this.#host!.event(event, this.#position(), this.#now);
    if (output !== undefined) this.#take(output);
  }

  /** Only what is kept survives. @param backAt until when nothing runs */
  async restart(at: number, backAt: number): Promise<void> {
    await this.runUntil(at);
    this.#keep(this.#host!.takeStates());
    this.#host!.dispose();
    this.#host = undefined;
    await this.start(Math.max(at, backAt));
  }

  /** Levels that come from tags or the configuration of the deployment change. */
  async configure(config: JsonObject, at: number): Promise<void> {
    await this.runUntil(at);
    this.#config = config;
    await this.#deploy();
  }

  dispose(): void {
    this.#host?.dispose();
    this.#host = undefined;
  }

  async #open(): Promise<void> {
    const { sandbox, device, onFault = () => {}, onStep } = this.#options;
    const observed = onStep === undefined ? {} : { onRuleStep: onStep };
    this.#host = createFoldHost({ device, sandbox, onFault, holdsStates: true, ...observed });
    await this.#deploy();
    const status = this.#host.status()[0]!;
    if (status.state === 'failed') {
      throw new UsageError('rule-failed', `${this.#name} cannot be started: ${status.reason}`);
    }
  }

  async #deploy(): Promise<void> {
    const deployed = { name: this.#name, ...this.#built, config: this.#config };
    this.#take(await this.#host!.deploy([deployed], this.#states, this.#position(), this.#now));
  }

  #position(): string {
    return `${++this.#steps}`;
  }

  #take({ states, alerts, publishes }: StepOutput): void {
    this.#keep(states);
    for (const alert of alerts) this.#options.onTransition(alert);
    for (const publish of publishes) this.#options.onPublish?.(publish);
  }

  #keep(states: StepOutput['states']): void {
    for (const { fold, json } of states) {
      if (json === null) this.#states.delete(fold);
      else this.#states.set(fold, json);
    }
  }
}
