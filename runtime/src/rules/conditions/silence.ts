import type { AlertCause, Condition, Json, Value } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import { among, type Verdict } from './logic.ts';
import type { Node, Scope, SeriesName } from './node.ts';
import { isOpen, matches, type Pattern, patternOf } from './signals.ts';
import { earlier, SERIES_MAX } from './watch.ts';

interface Heard extends SeriesName {
  ts: number;
  value: Value;
}

type HeardState = [device: string, sensor: string, metric: string, ts: number, value: Value];

/**
 * No reading for so long. It counts from the last reading, from the beginning where none has come yet of a series that is
 * named, or from when somebody was watching again; a reading that says it is bad is one all the same.
 */
export class Silence implements Node {
  #forMs: number;
  #isTogether: boolean;
  #every: boolean;
  #pattern: Pattern;
  #isNamed: boolean;
  #heard = new Map<string, Heard>();
  /** First moment of all. */
  #since: number | undefined;
  #armedAt = Number.NEGATIVE_INFINITY;

  constructor({ signal, forMs }: Extract<Condition, { kind: 'silent' }>, scope: Scope, state: Json | undefined) {
    this.#forMs = forMs;
    this.#isTogether = signal.across !== undefined;
    this.#every = scope.every;
    this.#pattern = patternOf(signal, scope.subject);
    this.#isNamed = !isOpen(this.#pattern.sensor) && !isOpen(this.#pattern.metric);
    const saved = state as unknown as { since: number | null; heard: HeardState[] } | undefined;
    this.#since = saved?.since ?? undefined;
    for (const [device, sensor, metric, ts, value] of saved?.heard ?? []) {
      this.#heard.set(keyOf({ device, sensor, metric }), { device, sensor, metric, ts, value });
    }
  }

  takes(series: SeriesName): boolean {
    return matches(this.#pattern, series);
  }

  take({ device, sensor, metric, ts, value }: Sample): boolean {
    if (!this.takes({ device, sensor, metric })) return false;
    const key = keyOf({ device, sensor, metric });
    const heard = this.#heard.get(key);
    if (heard === undefined && this.#heard.size >= SERIES_MAX) return false;
    if (heard !== undefined && (ts < heard.ts || (ts === heard.ts && value === heard.value))) return false;
    this.#heard.set(key, { device, sensor, metric, ts, value });
    return true;
  }

  judge(now: number): Judgement {
    this.#since ??= now;
    const silences = this.#silences();
    const verdicts: Verdict[] = [];
    let worst: { from: number; causes: AlertCause[] } | undefined;
    let due: number | undefined;
    for (const silence of silences) {
      const isSilent = now - silence.from >= this.#forMs;
      verdicts.push(isSilent);
      if (!isSilent) due = earlier(due, silence.from + this.#forMs);
      if (worst === undefined || silence.from < worst.from) worst = silence;
    }
    const judgement: Judgement = { verdict: among(verdicts, this.#every), causes: worst?.causes ?? [] };
    if (worst !== undefined) judgement.badness = now - worst.from - this.#forMs;
    if (worst?.causes[0] !== undefined) judgement.value = worst.causes[0].value;
    if (due !== undefined) judgement.dueAt = due;
    return judgement;
  }

  get state(): Json {
    const heard: HeardState[] = [...this.#heard.values()].map(({ device, sensor, metric, ts, value }) => {
      return [device, sensor, metric, ts, value];
    });
    return { since: this.#since ?? null, heard };
  }

  moveTime(move: TimeMove): void {
    if (this.#since !== undefined) this.#since = movedPast(this.#since, move);
    if (Number.isFinite(this.#armedAt)) this.#armedAt = movedPast(this.#armedAt, move);
    for (const heard of this.#heard.values()) heard.ts = movedPast(heard.ts, move);
  }

  rearm(at: number): void {
    this.#armedAt = Math.max(this.#armedAt, at);
  }

  /** Since when, of each series or of all together. */
  #silences(): { from: number; causes: AlertCause[] }[] {
    const each = [...this.#heard.values()].map(({ ts, ...heard }) => {
      return { from: Math.max(ts, this.#armedAt), causes: [{ ...heard, ts }] };
    });
    if (each.length === 0) return this.#isNamed ? [{ from: Math.max(this.#since!, this.#armedAt), causes: [] }] : [];
    return this.#isTogether ? [each.reduce((a, b) => (b.from > a.from ? b : a))] : each;
  }
}

function keyOf({ device, sensor, metric }: SeriesName): string {
  return `${device}/${sensor}/${metric}`;
}
