/** All runs of one seed. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Hit } from './kill.ts';
import { liveRun } from './live.ts';
import { planOf } from './plan.ts';
import { prepare } from './prepared.ts';
import { groupsOf } from './readings.ts';
import { type KilledRun, killedRun, type Uninterrupted, uninterrupted } from './run.ts';

/** Groups of readings in the prepared journal, and messages of a live run. */
export interface Sizes {
  groups: number;
  liveGroups: number;
}

/** One run out of so many. */
export const LIVE_EVERY = 10;
/** And one in which the outbox has no room for all that comes: what it drops must be the same, too. */
const TIGHT_EVERY = 4;
const ROOM = '256MiB';
const NO_ROOM = '64KiB';

export class Runs {
  #folder: string;
  #seed: number;
  #sizes: Sizes;
  #whole = new Map<string, Uninterrupted>();

  constructor(folder: string, seed: number, sizes: Sizes) {
    this.#folder = folder;
    this.#seed = seed;
    this.#sizes = sizes;
  }

  get #prepared(): string {
    return join(this.#folder, 'prepared');
  }

  async prepare(): Promise<void> {
    await prepare(this.#prepared, groupsOf(this.#seed, this.#sizes.groups));
  }

  /** @param run counted from 1 */
  async run(run: number, points: number): Promise<KilledRun> {
    const folder = join(this.#folder, `run-${run}`);
    mkdirSync(folder);
    const isLive = run % LIVE_EVERY === 0;
    const outboxBytesMax = run % TIGHT_EVERY === 0 ? NO_ROOM : ROOM;
    const seed = this.#seed + run;
    const outcome = await (isLive
      ? this.#live(folder, seed, points)
      : this.#killed(folder, seed, points, outboxBytesMax));
    if (outcome.faults.length === 0) rmSync(folder, { recursive: true, force: true });
    return outcome;
  }

  #live(folder: string, seed: number, points: number): Promise<KilledRun> {
    const { liveGroups } = this.#sizes;
    return liveRun(folder, groupsOf(seed, liveGroups), planOf(seed, points, liveGroups));
  }

  async #killed(folder: string, seed: number, points: number, outboxBytesMax: string): Promise<KilledRun> {
    const whole = await this.#uninterrupted(outboxBytesMax);
    const plan = planOf(seed, points, whole.steps);
    return killedRun(this.#prepared, join(folder, 'data'), plan, outboxBytesMax, whole);
  }

  async #uninterrupted(outboxBytesMax: string): Promise<Uninterrupted> {
    const known = this.#whole.get(outboxBytesMax);
    if (known !== undefined) return known;
    const whole = await uninterrupted(this.#prepared, join(this.#folder, `whole-${outboxBytesMax}`), outboxBytesMax);
    this.#whole.set(outboxBytesMax, whole);
    return whole;
  }
}

/** Where kills hit. */
export function told(hits: readonly Hit[]): string {
  const number = (is: (hit: Hit) => boolean) => hits.filter(is).length;
  const targets = (['agent', 'sandbox', 'both'] as const).map(
    (target) => `${number(({ point }) => point.target === target)} ${target}`,
  );
  const where = [
    `${number(({ working }) => working)} with readings waiting`,
    `${number(({ computing }) => computing)} while a function ran`,
    `${number(({ commit }) => commit === 'torn')} within a write`,
    `${number(({ commit }) => commit === 'unheard')} between a write and its end`,
    `${number(({ point }) => point.moment === 'start')} at a start`,
  ];
  return `${hits.length} kills (${targets.join(', ')}; ${where.join(', ')})`;
}
