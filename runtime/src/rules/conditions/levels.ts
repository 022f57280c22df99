import type { Json, Level, Value } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import type { Sample } from './condition.ts';
import type { Scope, SeriesName, Turn } from './node.ts';
import { numberOf } from './values.ts';
import { Watch } from './watch.ts';

export interface LevelAt {
  value?: Value;
  /** Of a tag: as it is written. */
  text?: string;
  problem?: string;
}

/** What is compared with: given, looked up, or measured. */
export class LevelSource {
  #fixed: LevelAt | undefined;
  #measured: { watch: Watch; times: number; plus: number } | undefined;

  constructor(level: Level, scope: Scope, state: Json | undefined) {
    if (typeof level !== 'object') this.#fixed = { value: level };
    else if ('tag' in level) this.#fixed = lookedUp(level, scope);
    else this.#measured = { watch: new Watch(level.signal, scope, state), times: level.times, plus: level.plus };
  }

  takes(series: SeriesName): boolean {
    return this.#measured?.watch.takes(series) ?? false;
  }

  take(sample: Sample): boolean {
    return this.#measured?.watch.take(sample) ?? false;
  }

  at(now: number): LevelAt {
    if (this.#fixed !== undefined) return this.#fixed;
    const { watch, times, plus } = this.#measured!;
    const looked = watch.look(now);
    if (looked.length > 1)
      return { problem: `the level is measured by ${looked.length} series; it is to say across what` };
    const amount = numberOf(looked[0]?.value);
    if (amount !== undefined) return { value: amount * times + plus };
    const problem = looked[0]?.problem;
    return problem === undefined ? {} : { problem };
  }

  dueAt(now: number): number | undefined {
    return this.#measured?.watch.dueAt(now);
  }

  get state(): Json {
    return this.#measured?.watch.state ?? null;
  }

  partOf(device: string | undefined): Json {
    return this.#measured?.watch.partOf(device) ?? null;
  }

  turn(device: string, turn: Turn): void {
    this.#measured?.watch.turn(device, turn);
  }

  moveTime(move: TimeMove): void {
    this.#measured?.watch.moveTime(move);
  }
}

/** Tags are texts: one that may be a number is one, unless a text is compared with it. */
function lookedUp({ tag, default: otherwise }: { tag: string; default?: number }, { config }: Scope): LevelAt {
  const given = config[tag];
  const isNumber = typeof given === 'string' && given.trim() !== '' && Number.isFinite(Number(given));
  const value = isNumber ? Number(given) : given;
  if (typeof given === 'string' && typeof value !== 'object') return { value: value as Value, text: given };
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return { value };
  if (otherwise !== undefined) return { value: otherwise };
  return { problem: `no level: there is no tag ${tag}, and no default` };
}
