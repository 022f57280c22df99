/** Runs a table test through the real fold host, and says what is not as expected. */
import { type AlertTransition, columnsOf, type JsonObject, type Reading } from '@weir/protocols';
import type { BuiltBundle } from '../../bundle/bundle.ts';
import type { FunctionSandbox } from '../../sandbox/sandbox.ts';
import { type EpisodeSpan, episodesOf } from '../episode-span.ts';
import { REPLAY_TICK_MS, RuleReplay } from '../replay.ts';
import { factsOf } from '../rule-facts.ts';
import type { CaseAction, RuleCase } from './case.ts';
import { type Mismatch, mismatchesOf } from './mismatch.ts';

export interface CaseOutcome {
  /** Of the time of the case, in order. */
  transitions: AlertTransition[];
  episodes: EpisodeSpan[];
  mismatches: Mismatch[];
  /** Errors of a condition that is a function. */
  faults: string[];
  /** What came in, in order. */
  readings: (Reading & { device: string })[];
  /** How long it ran, ms after the start. */
  endMs: number;
}

export interface RunCaseOptions {
  sandbox: FunctionSandbox;
  /** Over all devices together, as a rule that gathers has them. */
  gathers: boolean;
  /** For how long nothing is decided, so that what is late still counts. */
  latenessMs: number;
  /** What becomes of the tags of a device in the configuration of what runs there. */
  configOf(config: JsonObject, tags: Record<string, string>): JsonObject;
}

/** A rule that gathers runs in the hub, under the name of its group. */
const GROUP = 'group';

/** @throws {UsageError} `rule-failed` when the rule cannot be started at all */
export async function runCase(
  built: Pick<BuiltBundle, 'bundle' | 'hash'>,
  ruleCase: RuleCase,
  options: RunCaseOptions,
): Promise<CaseOutcome> {
  const run = new CaseRun(built, ruleCase, options);
  try {
    for (const action of ruleCase.actions) await run.take(action);
    return await run.end();
  } finally {
    run.dispose();
  }
}

class CaseRun {
  readonly #built: Pick<BuiltBundle, 'bundle' | 'hash'>;
  readonly #case: RuleCase;
  readonly #options: RunCaseOptions;
  readonly #replays = new Map<string, RuleReplay>();
  readonly #transitions: AlertTransition[] = [];
  readonly #faults: string[] = [];
  readonly #readings: CaseOutcome['readings'] = [];
  #config: JsonObject;

  constructor(built: Pick<BuiltBundle, 'bundle' | 'hash'>, ruleCase: RuleCase, options: RunCaseOptions) {
    this.#built = built;
    this.#case = ruleCase;
    this.#options = options;
    this.#config = options.configOf(ruleCase.config, ruleCase.tags);
  }

  async take(action: CaseAction): Promise<void> {
    const at = this.#case.startAt + action.atMs;
    if (action.kind === 'readings') {
      for (const reading of action.readings) this.#readings.push({ device: action.device, ...reading });
      await (await this.#of(action.device)).step(columnsOf(action.readings), at, this.#from(action.device));
    } else if (action.kind === 'presence') {
      await (await this.#of(action.device)).presence(action.online, at, this.#from(action.device));
    } else if (action.kind === 'restart') {
      await this.#of(this.#case.device);
      for (const replay of this.#replays.values()) await replay.restart(at, at + action.downMs);
    } else {
      this.#config = { ...this.#config, ...this.#options.configOf(action.config, action.tags) };
      await this.#of(this.#case.device);
      for (const replay of this.#replays.values()) await replay.configure(this.#config, at);
    }
  }

  /** Lets the clock run until everything that is expected could have been. */
  async end(): Promise<CaseOutcome> {
    const { startAt, inputMs, transitions = [], episodes = [] } = this.#case;
    const expected = [
      ...transitions.map(({ atMs }) => atMs),
      ...episodes.flatMap(({ fromMs, toMs }) => toMs ?? fromMs),
    ];
    const endMs = Math.max(inputMs, ...expected);
    await this.#of(this.#case.device);
    const until = startAt + endMs + this.#options.latenessMs + 2 * REPLAY_TICK_MS;
    for (const replay of this.#replays.values()) await replay.runUntil(until);
    const told = this.#transitions
      .filter(({ ts }) => ts <= startAt + endMs)
      .sort((a, b) => a.ts - b.ts || a.seq - b.seq);
    const spans = episodesOf(told);
    return {
      transitions: told,
      episodes: spans,
      mismatches: mismatchesOf(this.#case, told, spans),
      faults: this.#faults,
      readings: this.#readings,
      endMs,
    };
  }

  dispose(): void {
    for (const replay of this.#replays.values()) replay.dispose();
  }

  #from(device: string): string | undefined {
    return this.#options.gathers ? device : undefined;
  }

  async #of(device: string): Promise<RuleReplay> {
    const host = this.#options.gathers ? `${GROUP}/${factsOf(this.#built.bundle).rule.name}` : device;
    const known = this.#replays.get(host);
    if (known !== undefined) return known;
    const replay = new RuleReplay(this.#built, {
      sandbox: this.#options.sandbox,
      device: host,
      config: this.#config,
      onTransition: (transition) => this.#transitions.push(transition),
      onFault: ({ message, place }) => this.#faults.push(place === undefined ? message : `${message} at ${place}`),
    });
    this.#replays.set(host, replay);
    await replay.start(this.#case.startAt);
    return replay;
  }
}
