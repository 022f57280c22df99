/** Runs rules over readings of the past, as the devices or the hub would have, and adds up what they would have told. */
import { type Columns, type JsonObject, sliceColumns, valueAt } from '@weir/protocols';
import type { BuiltBundle } from '../../bundle/bundle.ts';
import { SeriesFilter } from '../../fold/select.ts';
import type { FunctionSandbox } from '../../sandbox/sandbox.ts';
import { ChartBand } from '../chart.ts';
import { REPLAY_TICK_MS, RuleReplay } from '../replay.ts';
import { factsOf } from '../rule-facts.ts';
import { EpisodeTally, type Tally } from './tally.ts';

export interface BacktestRule {
  built: Pick<BuiltBundle, 'bundle' | 'hash'>;
  /** For each device, what it has in its configuration and its tags. */
  configOf(device: string): JsonObject;
}

/** Of one device, in order of time. */
export interface BacktestSource {
  device: string;
  parts: AsyncIterable<Columns>;
}

export interface BacktestOptions {
  sandbox: FunctionSandbox;
  /** Readings before that only bring the rule up; ms since epoch. */
  from: number;
  to: number;
  /** Of a picture of each series. */
  columns: number;
  /** Under which rules that gather run. */
  group: string;
  /** @param at up to when it got with the device that is at work */
  onProgress(progress: { device: string; at: number; readings: number }): void;
  /** Ends it: what is known by then is told. */
  signal: AbortSignal;
  onFault?(message: string): void;
}

export interface Backtest {
  tallies: Tally[];
  readings: number;
  /** Of each series of numbers, the first of them. */
  bands: Map<string, ChartBand>;
  /** Earliest and latest reading within the time. */
  firstAt?: number;
  lastAt?: number;
  /** It was ended before its time. */
  stoppedAt?: number;
}

/** Series that are drawn at most: each takes a kilobyte. */
const BANDS_MAX = 1_000;
/** Between two words of how far it got. */
const PROGRESS_READINGS = 20_000;

/** All rules over the same readings, once. Sources are read one after another, or together where a rule gathers. */
export async function backtest(
  rules: readonly BacktestRule[],
  sources: readonly BacktestSource[],
  options: BacktestOptions,
): Promise<Backtest> {
  const run = new BacktestRun(rules, options);
  try {
    if (run.gathers) await run.take(together(sources));
    else for (const source of sources) await run.take(alone(source));
    return await run.end();
  } finally {
    run.dispose();
  }
}

/** What one device sent within a tick. */
interface Step {
  device: string;
  columns: Columns;
  at: number;
}

class BacktestRun {
  readonly #rules: readonly BacktestRule[];
  readonly #options: BacktestOptions;
  readonly #tallies: EpisodeTally[];
  readonly #names: string[];
  readonly #gathers: boolean[];
  readonly #bands = new Map<string, ChartBand>();
  readonly #filter: SeriesFilter;
  #replays: RuleReplay[] = [];
  #device: string | undefined;
  #readings = 0;
  #told = 0;
  #firstAt: number | undefined;
  #lastAt: number | undefined;
  #stoppedAt: number | undefined;

  constructor(rules: readonly BacktestRule[], options: BacktestOptions) {
    this.#rules = rules;
    this.#options = options;
    this.#tallies = rules.map(() => new EpisodeTally(options.from));
    const facts = rules.map(({ built }) => factsOf(built.bundle));
    this.#names = facts.map(({ rule }) => rule.name);
    this.#gathers = facts.map(({ gathers }) => gathers);
    const isAll = facts.some(({ signals }) => signals.length === 0);
    this.#filter = new SeriesFilter(isAll ? [] : facts.flatMap(({ signals }) => signals));
  }

  get gathers(): boolean {
    return this.#gathers.includes(true);
  }

  async take(steps: AsyncIterable<Step>): Promise<void> {
    for await (const { device, columns, at } of steps) {
      const { signal, from, to } = this.#options;
      if (signal.aborted || this.#stoppedAt !== undefined) {
        this.#stoppedAt ??= at;
        return;
      }
      if (at >= to) break;
      if (this.#replays.length === 0 || (device !== this.#device && !this.gathers)) await this.#open(device, at);
      for (const [i, replay] of this.#replays.entries()) {
        await replay.step(columns, at, this.#gathers[i] ? device : undefined);
      }
      if (at >= from) this.#look(device, columns);
      this.#tell(device, at, columns.index.length);
    }
    await this.#close();
  }

  async end(): Promise<Backtest> {
    const result: Backtest = {
      tallies: this.#tallies.map((tally) => tally.end()),
      readings: this.#readings,
      bands: this.#bands,
    };
    if (this.#firstAt !== undefined) result.firstAt = this.#firstAt;
    if (this.#lastAt !== undefined) result.lastAt = this.#lastAt;
    if (this.#stoppedAt !== undefined) result.stoppedAt = this.#stoppedAt;
    return result;
  }

  dispose(): void {
    for (const replay of this.#replays) replay.dispose();
    this.#replays = [];
  }

  async #open(device: string, at: number): Promise<void> {
    await this.#close();
    this.#device = device;
    const { sandbox, group, onFault = () => {} } = this.#options;
    this.#replays = this.#rules.map(({ built, configOf }, i) => {
      return new RuleReplay(built, {
        sandbox,
        device: this.#gathers[i] ? `${group}/${this.#names[i]}` : device,
        config: configOf(device),
        onTransition: (transition) => this.#tallies[i]!.take(transition),
        onFault: ({ message }) => onFault(message),
      });
    });
    for (const replay of this.#replays) await replay.start(at);
  }

  /** What is still due falls due until the end of the time. */
  async #close(): Promise<void> {
    const { to } = this.#options;
    for (const replay of this.#replays) if (this.#stoppedAt === undefined) await replay.runUntil(to - 1);
    this.dispose();
  }

  #look(device: string, columns: Columns): void {
    const { from, to, columns: width } = this.#options;
    const flags = this.#filter.flags(columns.series);
    for (let i = 0; i < columns.index.length; i++) {
      const { sensor, metric, kind } = columns.series[columns.index[i]!]!;
      if (!flags[columns.index[i]!]) continue;
      this.#readings++;
      const ts = columns.ts[i]!;
      if (this.#firstAt === undefined || ts < this.#firstAt) this.#firstAt = ts;
      if (this.#lastAt === undefined || ts > this.#lastAt) this.#lastAt = ts;
      if (kind === 'string') continue;
      const name = `${device}/${sensor}/${metric}`;
      let band = this.#bands.get(name);
      if (band === undefined) {
        if (this.#bands.size >= BANDS_MAX) continue;
        band = new ChartBand(from, to, width);
        this.#bands.set(name, band);
      }
      band.add(ts, Number(valueAt(columns, i)));
    }
  }

  #tell(device: string, at: number, count: number): void {
    this.#told += count;
    if (this.#told < PROGRESS_READINGS) return;
    this.#told = 0;
    this.#options.onProgress({ device, at, readings: this.#readings });
  }
}

async function* alone({ device, parts }: BacktestSource): AsyncGenerator<Step> {
  for await (const columns of parts) yield* stepsOf(device, columns);
}

/** As an agent commits what comes within a moment. */
function* stepsOf(device: string, columns: Columns): Generator<Step> {
  const { ts } = columns;
  for (let start = 0; start < ts.length; ) {
    const tick = Math.floor(ts[start]! / REPLAY_TICK_MS);
    let end = start + 1;
    while (end < ts.length && Math.floor(ts[end]! / REPLAY_TICK_MS) === tick) end++;
    yield { device, columns: sliceColumns(columns, start, end), at: ts[end - 1]! };
    start = end;
  }
}

/** Of several devices, the earliest first. */
async function* together(sources: readonly BacktestSource[]): AsyncGenerator<Step> {
  const walks = sources.map(alone);
  const heads = await Promise.all(walks.map((walk) => walk.next()));
  for (;;) {
    let first = -1;
    for (const [i, head] of heads.entries()) {
      if (head.done) continue;
      if (first < 0 || head.value.at < (heads[first]!.value as Step).at) first = i;
    }
    if (first < 0) return;
    yield heads[first]!.value as Step;
    heads[first] = await walks[first]!.next();
  }
}
