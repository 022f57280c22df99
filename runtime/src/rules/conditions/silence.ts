import type { AlertCause, Condition, Json, Value } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import { among, type Verdict } from './logic.ts';
import type { Node, Scope, SeriesName, Turn } from './node.ts';
import { packedSeries, SeriesByDevice } from './series-by-device.ts';
import { isOpen, matches, type Pattern, patternOf } from './signals.ts';
import { earlier, SERIES_MAX } from './watch.ts';

interface Heard extends SeriesName {
  ts: number;
  value: Value;
  /** Its device is away: whether it is silent, nobody knows. */
  isAway: boolean;
  /** When its device was there again. */
  armedAt: number;
}

type HeardState = [device: string, sensor: string, metric: string, ts: number, value: Value, away?: 1];

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
  readonly #heard: SeriesByDevice<Heard>;
  /** First moment of all. */
  #since: number | undefined;
  #armedAt = Number.NEGATIVE_INFINITY;

  constructor({ signal, forMs }: Extract<Condition, { kind: 'silent' }>, scope: Scope, state: Json | undefined) {
    this.#forMs = forMs;
    this.#isTogether = signal.across !== undefined;
    this.#every = scope.every;
    this.#pattern = patternOf(signal, scope.subject);
    this.#isNamed = !isOpen(this.#pattern.sensor) && !isOpen(this.#pattern.metric);
    const saved = state as unknown as { since: number | null; heard: Json } | undefined;
    this.#since = saved?.since ?? undefined;
    this.#heard = new SeriesByDevice(scope.isGroup);
    for (const [device, sensor, metric, ts, value, away] of packedSeries<HeardState>(saved?.heard)) {
      const heard = { device, sensor, metric, ts, value, isAway: away === 1, armedAt: Number.NEGATIVE_INFINITY };
      this.#heard.add(heard, heard);
    }
  }

  takes(series: SeriesName): boolean {
    return matches(this.#pattern, series);
  }

  take({ device, sensor, metric, ts, value, isStale = false }: Sample): boolean {
    if (!this.takes({ device, sensor, metric })) return false;
    const heard = this.#heard.get({ device, sensor, metric });
    if (heard === undefined) {
      if (this.#heard.size >= SERIES_MAX) return false;
      const begun = { device, sensor, metric, ts, value, isAway: isStale, armedAt: Number.NEGATIVE_INFINITY };
      this.#heard.add(begun, begun);
      return true;
    }
    if (ts < heard.ts || (ts === heard.ts && value === heard.value)) return false;
    Object.assign(heard, { ts, value, isAway: isStale });
    return true;
  }

  judge(now: number): Judgement {
    this.#since ??= now;
    const silences = this.#silences();
    const verdicts: Verdict[] = [];
    let worst: SilentSince | undefined;
    let due: number | undefined;
    for (const silence of silences) {
      if (silence.isAway) {
        verdicts.push(undefined);
        continue;
      }
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
    return { since: this.#since ?? null, heard: this.#heard.state(packedHeard) };
  }

  partOf(device: string | undefined): Json {
    const heard = this.#heard.partOf(device, packedHeard);
    return device === undefined ? { since: this.#since ?? null, heard } : { heard };
  }

  turn(device: string, turn: Turn): void {
    if (turn.is === 'gone') {
      this.#heard.deleteDevice(device);
      return;
    }
    for (const heard of this.#heard.of(device)) {
      heard.isAway = turn.is === 'away';
      if (turn.is === 'back') heard.armedAt = turn.at;
    }
  }

  moveTime(move: TimeMove): void {
    if (this.#since !== undefined) this.#since = movedPast(this.#since, move);
    if (Number.isFinite(this.#armedAt)) this.#armedAt = movedPast(this.#armedAt, move);
    for (const heard of this.#heard.values) {
      heard.ts = movedPast(heard.ts, move);
      if (Number.isFinite(heard.armedAt)) heard.armedAt = movedPast(heard.armedAt, move);
    }
  }

  rearm(at: number): void {
    this.#armedAt = Math.max(this.#armedAt, at);
  }

  /** Since when, of each series or of all together. */
  #silences(): SilentSince[] {
    const each = this.#heard.values.map(({ isAway, armedAt, ...heard }): SilentSince => {
      return { isAway, from: Math.max(heard.ts, armedAt, this.#armedAt), causes: [heard] };
    });
    if (each.length === 0) {
      const from = Math.max(this.#since!, this.#armedAt);
      return this.#isNamed ? [{ isAway: false, from, causes: [] }] : [];
    }
    if (!this.#isTogether) return each;
    const known = each.filter(({ isAway }) => !isAway);
    return [(known.length > 0 ? known : each).reduce((a, b) => (b.from > a.from ? b : a))];
  }
}

interface SilentSince {
  isAway: boolean;
  from: number;
  causes: AlertCause[];
}

function packedHeard({ device, sensor, metric, ts, value, isAway }: Heard): Json {
  const state: HeardState = [device, sensor, metric, ts, value];
  if (isAway) state.push(1);
  return state as unknown as Json;
}
