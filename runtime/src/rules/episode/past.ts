/**
 * What comes late. A head that was past a gap when it was filled is never changed by what is older; what was in the gap is
 * gone through by a track of its own, from how things were at its beginning:
 *
 *     head   ──●──●──●─────────────────────────●──●──●──▶      from: last before, to: first after
 *     past           └──○──○──○──○──○──○──○──○─┘               late samples, in order
 *                       └ an episode wholly within: historical
 *                                     └ one that is still true at `to`: the head's began here
 *
 * A gap opens where a subject was not heard of for longer than usual, and where its device went away. Late samples wait
 * until they have come for some time no more, so that they are gone through in order; of an outage that is filled in order
 * they may be let go by and by. What is late and in no gap was there before, or nobody knows what was before it: it changes
 * nothing.
 */
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import type { Sample } from '../conditions/condition.ts';
import type { Subject } from '../conditions/signals.ts';
import { Ordered } from '../moment.ts';
import {
  dueOf,
  type Ended,
  GAP_PACES,
  type Gap,
  type GapState,
  gapIn,
  type Head,
  hasReached,
  isFilled,
  isFull,
  LATE_END_MS,
  LATE_MAX,
  LATE_PAUSE_MS,
  stateOf,
  TELLS_MAX,
  type Tell,
} from './gap.ts';
import { isOpen, type Move } from './machine.ts';
import { insert, isSame } from './packed-sample.ts';
import { type Facts, type Judged, Track, type TrackRule, type TrackState, worseOf } from './track.ts';
import type { OpenState } from './transitions.ts';

/** What the past comes to. */
export type Found =
  | { kind: 'episode'; startedAt: number; tells: Tell[] }
  /** What was told began earlier. `ended`: it is over, with its last number; else it is the head's. */
  | { kind: 'began'; startedAt: number; worst: TrackState['worst']; ended?: Ended }
  /** What was told ended earlier. */
  | { kind: 'ended'; open: Ended; at: number }
  /** The head does not know of it, and it is true: the head goes on from there. */
  | { kind: 'goes-on'; track: TrackState; startedAt: number; tells: Tell[] };

/** Gaps of one subject; the shortest gives way, first of those in which nothing has come late. An outage is longer than what jitter makes. */
const GAPS_MAX = 3;
/** Windows and seasons of a rule are much to keep three times: of such a subject only the longest gap is. */
const BASE_CHARS_MAX = 16_384;
/** No hub holds a device back for longer; by event time. */
const GAP_KEPT_MS = 7 * 86_400_000;
/** Of a series that was heard of once only. */
const GAP_MS = 60_000;

export class Gaps {
  readonly #rule: TrackRule;
  readonly #subject: Subject;
  #gaps: Gap[];
  /** Since whoever keeps it has said that it is not. */
  changed = false;

  constructor(rule: TrackRule, subject: Subject, state: readonly GapState[] = []) {
    this.#rule = rule;
    this.#subject = subject;
    this.#gaps = state.map((each) => gapIn(each, subject));
    shareEnded(this.#gaps);
  }

  /** Undefined: none. */
  get state(): GapState[] | undefined {
    if (this.#gaps.length === 0) return undefined;
    return this.#gaps.map((gap) => stateOf(gap, this.#subject));
  }

  /** By arrival: when late samples that wait are gone through; infinity: none wait. */
  due(head: Head): number {
    let due = Number.POSITIVE_INFINITY;
    for (const gap of this.#gaps) due = Math.min(due, dueOf(gap, head));
    return due;
  }

  /** To be called before the head takes a sample. @param newest event time of the sample before */
  before(ts: number, newest: number, track: Track, { open, paceMs }: Head): void {
    const kept = this.#gaps.filter(({ to, late }) => late !== undefined || to === undefined || ts - to < GAP_KEPT_MS);
    if (kept.length < this.#gaps.length) this.changed = true;
    this.#gaps = kept;
    if (newest === 0 || this.#gaps.some(({ to }) => to === undefined)) return;
    // Of a group that anything comes says little: with many devices something comes all the time, now closer and now not.
    const least = this.#rule.plan.by === 'group' ? GAP_MS : 0;
    const usual = Math.max(this.#rule.plan.latenessMs, least, paceMs === undefined ? GAP_MS : GAP_PACES * paceMs);
    if (ts - newest > usual) this.#open(newest, track, open);
  }

  /** The device has gone away: whatever comes next, there was a gap. */
  openAway(newest: number, track: Track, open: OpenState | undefined): void {
    if (newest === 0 || this.#gaps.some(({ to }) => to === undefined)) return;
    this.#open(newest, track, open);
  }

  /** To be called after the head took a sample. @returns whether it was the first after a gap */
  after(sample: Sample, { open, isFiring, isKnown }: Head): boolean {
    const gap = this.#gaps.find(({ to }) => to === undefined);
    if (gap === undefined) return false;
    this.changed = true;
    // A sample before which there is no room for another.
    if (sample.ts <= gap.from) {
      this.#remove(gap);
      return false;
    }
    const isOwn = open !== undefined && isFiring && open.startedAt <= gap.from;
    // Whether it still fires, the first that is known says.
    if (isOwn && !isKnown) {
      gap.taken ??= [];
      if (gap.taken.length < LATE_MAX) gap.taken.push(sample);
      return false;
    }
    gap.to = sample.ts;
    gap.after = sample;
    if (isOwn) gap.isCovered = true;
    else if (open !== undefined) gap.next = { episode: open.episode, startedAt: open.startedAt };
    return true;
  }

  /** Of the head, after {@link after}. */
  onLook({ ts, rungs }: Judged): void {
    for (const gap of this.#gaps) {
      if (gap.to === undefined || gap.overAt !== undefined) continue;
      const isOver = rungs.every(({ when, clear }) =>
        clear === undefined ? when.verdict === false : clear.verdict === true && when.verdict !== true,
      );
      if (!isOver) continue;
      gap.overAt = ts;
      this.changed = true;
    }
  }

  /** Of the head: an episode, also one that is pending only, has begun. */
  onBegun({ episode, startedAt }: OpenState): void {
    for (const gap of this.#gaps) {
      if (gap.to === undefined || gap.overAt !== undefined) continue;
      gap.next ??= { episode, startedAt };
      this.changed = true;
    }
  }

  /**
   * Of the head: it has ended, or came to nothing.
   *
   * @param told as people know it, which of what was held is as an episode of the past; undefined: nobody was told of it
   */
  onEnded({ episode }: OpenState, told: OpenState | undefined, worst?: TrackState['worst']): void {
    const ended = told && { ...told, ...(worst && { worst }) };
    for (const gap of this.#gaps) {
      this.changed = true;
      // What was pending, fired for all that the head knew, and is over with the first after: it was told of all of it.
      if (ended !== undefined && gap.to === undefined && gap.pending === episode) gap.own = { ...ended, episode };
      if (ended !== undefined && gap.to === undefined && gap.own?.episode === episode) gap.ended = ended;
      if (gap.next?.episode !== episode) continue;
      if (ended !== undefined) gap.next.ended = ended;
      else delete gap.next;
    }
  }

  /** @returns false: it is in no gap */
  takeLate(sample: Sample, receivedAt: number): boolean {
    const gap = this.#gaps.find(({ from, to }) => sample.ts > from && to !== undefined && sample.ts < to);
    if (gap === undefined) return false;
    if (gap.taken?.some((each) => isSame(each, sample))) return true;
    this.changed = true;
    gap.late ??= [];
    gap.lateAt = receivedAt;
    if (!gap.late.some((each) => isSame(each, sample))) insert(gap.late, sample);
    return true;
  }

  /** Goes through what need not wait. @param now by arrival, ms */
  settle(now: number, head: Head): Found[] {
    const found: Found[] = [];
    for (const gap of [...this.#gaps]) {
      if (gap.lateAt === undefined) continue;
      this.changed = true;
      const paused = now - gap.lateAt;
      if (isFilled(gap, head) || (hasReached(gap, head) && paused >= LATE_PAUSE_MS) || paused >= LATE_END_MS) {
        this.#goThrough(gap, gap.late ?? [], found, gap.to);
        if (!gap.isCovered) this.#join(gap, head, found);
        this.#remove(gap);
      } else if (gap.late !== undefined && (isFull(gap) || paused >= LATE_PAUSE_MS)) {
        const left = paused >= LATE_PAUSE_MS ? 0 : LATE_MAX / 2;
        const going = gap.late.splice(0, gap.late.length - left);
        if (left === 0) delete gap.late;
        this.#goThrough(gap, going, found);
      }
    }
    return found;
  }

  moveTime(move: TimeMove): void {
    const moved = (ts: number) => movedPast(ts, move);
    if (this.#gaps.length > 0) this.changed = true;
    for (const gap of this.#gaps) {
      const track = new Track(this.#rule, this.#subject, gap.base);
      track.moveTime(move);
      gap.base = copyOf(track.state);
      for (const key of ['from', 'to', 'overAt', 'lateAt', 'ownOverAt'] as const) {
        const ts = gap[key];
        if (ts !== undefined) gap[key] = moved(ts);
      }
      const samples = [...(gap.late ?? []), ...(gap.taken ?? []), ...(gap.after === undefined ? [] : [gap.after])];
      for (const sample of samples) sample.ts = moved(sample.ts);
      if (gap.next !== undefined) gap.next.startedAt = moved(gap.next.startedAt);
      if (gap.past !== undefined) gap.past.startedAt = moved(gap.past.startedAt);
    }
  }

  #open(newest: number, track: Track, open: OpenState | undefined): void {
    this.changed = true;
    const gap: Gap = { from: newest, base: copyOf(track.state) };
    if (open !== undefined && isOpen(track.machine)) gap.own = { ...open };
    else if (open !== undefined) gap.pending = open.episode;
    this.#gaps.push(gap);
    const isLarge = JSON.stringify(gap.base).length > BASE_CHARS_MAX;
    while (this.#gaps.length > (isLarge ? 1 : GAPS_MAX)) this.#removeShortest();
  }

  #removeShortest(): void {
    const closed = this.#gaps.filter(({ to }) => to !== undefined);
    // What came late is known, and an episode that was found in it is to be told.
    const empty = closed.filter(({ lateAt }) => lateAt === undefined);
    const length = ({ from, to }: Gap) => to! - from;
    const shortest = (empty.length > 0 ? empty : closed).reduce((a, b) => (length(b) < length(a) ? b : a));
    this.#remove(shortest);
  }

  #remove(gap: Gap): void {
    this.#gaps = this.#gaps.filter((each) => each !== gap);
  }

  /** Moves the beginning of the gap on to the last of the samples. @param until event time up to which nothing more comes */
  #goThrough(gap: Gap, samples: readonly Sample[], found: Found[], until = samples.at(-1)?.ts ?? 0): void {
    const track = new Track(this.#rule, this.#subject, gap.base);
    const listener = listenerOf(gap, track, found);
    const all = [...samples];
    for (const each of gap.taken ?? []) if (each.ts <= until) insert(all, each);
    if (gap.taken !== undefined) gap.taken = gap.taken.filter(({ ts }) => ts > until);
    const ordered = new Ordered();
    for (const [i, sample] of all.entries()) track.take(sample, listener, !ordered.goesOn(sample, all[i + 1]));
    gap.base = copyOf(track.state);
    gap.from = Math.max(gap.from, samples.at(-1)?.ts ?? 0);
  }

  /** The gap is full: what fires at its end is, or was, the head's. */
  #join(gap: Gap, { isFiring }: Head, found: Found[]): void {
    const track = new Track(this.#rule, this.#subject, gap.base);
    const listener = listenerOf(gap, track, found);
    if (gap.after !== undefined) track.take(gap.after, listener);
    const { ended, ownOverAt, next, overAt, to } = gap;
    if (ended !== undefined && ownOverAt !== undefined && ownOverAt < ended.toldAt) {
      found.push({ kind: 'ended', open: ended, at: ownOverAt });
    }
    const isOwn = gap.own !== undefined && ownOverAt === undefined;
    if (isOwn || track.machine.phase === 'quiet') return;
    const { startedAt } = track.machine;
    if (next !== undefined) {
      if (startedAt >= next.startedAt) return;
      const { worst } = track;
      if (next.ended !== undefined) {
        next.ended.worst = worseOf(next.ended.worst, worst);
        found.push({ kind: 'began', startedAt, worst: next.ended.worst, ended: next.ended });
      } else if (isFiring) found.push({ kind: 'began', startedAt, worst });
      else this.#goOn(gap, track, found);
    } else if (overAt === undefined) this.#goOn(gap, track, found);
    else if (overAt > to!) {
      closeAt(overAt, gap, track, listener, found);
      this.#cover(to!, overAt);
    }
  }

  #goOn({ past, to }: Gap, track: Track, found: Found[]): void {
    const { startedAt } = track.machine;
    found.push({ kind: 'goes-on', track: copyOf(track.state), startedAt, tells: past?.tells ?? [] });
    this.#cover(to!, Number.POSITIVE_INFINITY);
  }

  /** What is told of then fires over the gaps of that time, which had begun before it was known. */
  #cover(from: number, to: number): void {
    for (const gap of this.#gaps) if (gap.from >= from && gap.from < to) gap.isCovered = true;
  }
}

/** It was over for the head at a moment after the gap. */
function closeAt(
  overAt: number,
  gap: Gap,
  track: Track,
  listener: ReturnType<typeof listenerOf>,
  found: Found[],
): void {
  track.advance(overAt, listener);
  const { past } = gap;
  if (past === undefined || !isOpen(track.machine)) return;
  const { facts, move } = past.tells.at(-1)!;
  const end = { kind: 'tell', state: 'resolved', reason: 'cleared', ts: overAt, rung: move.rung } as const;
  found.push({ kind: 'episode', startedAt: past.startedAt, tells: [...past.tells, { move: end, facts }] });
}

/** Puts together the episodes of the past; what fired before it is the head's. */
function listenerOf(gap: Gap, track: Track, found: Found[]) {
  return {
    onMove(move: Move, facts: Facts): void {
      if (gap.own !== undefined && gap.ownOverAt === undefined) {
        if (move.kind === 'drop' || (move.kind === 'tell' && move.state === 'resolved')) gap.ownOverAt = move.ts;
        return;
      }
      if (move.kind !== 'tell') return;
      gap.past ??= { startedAt: track.machine.startedAt, tells: [] };
      if (gap.past.tells.length >= TELLS_MAX) gap.past.tells.splice(1, 1);
      gap.past.tells.push({ move, facts });
      if (move.state !== 'resolved') return;
      if (!gap.isCovered) found.push({ kind: 'episode', ...gap.past });
      delete gap.past;
    },
  };
}

function copyOf(state: TrackState): TrackState {
  return JSON.parse(JSON.stringify(state)) as TrackState;
}

/** What one episode was told as is one thing, whichever gaps are beside it: what one of them corrects the other knows. */
function shareEnded(gaps: readonly Gap[]): void {
  const known = new Map<string, Ended>();
  const shared = (ended: Ended) => {
    const same = known.get(ended.episode) ?? ended;
    known.set(ended.episode, same);
    return same;
  };
  for (const gap of gaps) {
    if (gap.ended !== undefined) gap.ended = shared(gap.ended);
    if (gap.next?.ended !== undefined) gap.next.ended = shared(gap.next.ended);
  }
}
