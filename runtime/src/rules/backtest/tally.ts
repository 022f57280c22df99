/** What a rule would have told, added up as it comes: only episodes that are open are held with all their transitions. */
import type { AlertTransition } from '@weir/protocols';
import { episodeLane } from '../cases/case-report.ts';
import type { ChartEpisode } from '../chart.ts';
import { type EpisodeSpan, episodesOf, isTold } from '../episode-span.ts';

/** An episode with what is drawn of it. */
export interface TalliedEpisode extends Omit<EpisodeSpan, 'transitions'> {
  lane: ChartEpisode[];
}

export interface Tally {
  /** Those that fired, by their begin; at most {@link EPISODES_MAX}. */
  episodes: TalliedEpisode[];
  /** All that fired, also those that are not listed. */
  count: number;
  /** Those that never fired: over before their time was up. */
  unfired: number;
  /** Told as they happened: firing, another severity, no data, end. */
  messages: number;
  /** Open at the end. */
  open: number;
}

/** More than this nobody reads, and each takes some hundred bytes. */
export const EPISODES_MAX = 50_000;

export class EpisodeTally {
  readonly #from: number;
  readonly #open = new Map<string, AlertTransition[]>();
  readonly #episodes: TalliedEpisode[] = [];
  #count = 0;
  #unfired = 0;
  #messages = 0;

  /** @param from what was over before that does not count, ms */
  constructor(from: number) {
    this.#from = from;
  }

  take(transition: AlertTransition): void {
    const { episode, state, ts } = transition;
    const known = this.#open.get(episode) ?? [];
    const before = known.findLast(isTold);
    known.push(transition);
    const isNews = before?.state !== state || before.severity !== transition.severity;
    const isEndOfNothing = state === 'resolved' && before === undefined;
    if (ts >= this.#from && isTold(transition) && isNews && !isEndOfNothing && !transition.historical) this.#messages++;
    if (state === 'resolved') {
      this.#open.delete(episode);
      this.#close(known);
    } else this.#open.set(episode, known);
  }

  end(): Tally {
    const open = [...this.#open.values()].filter((transitions) => transitions.some(isTold)).length;
    for (const transitions of this.#open.values()) this.#close(transitions);
    this.#open.clear();
    this.#episodes.sort((a, b) => a.startedAt - b.startedAt);
    return {
      episodes: this.#episodes,
      count: this.#count,
      unfired: this.#unfired,
      messages: this.#messages,
      open,
    };
  }

  #close(transitions: AlertTransition[]): void {
    const span = episodesOf(transitions)[0]!;
    if (span.resolvedAt !== undefined && span.resolvedAt < this.#from) return;
    if (span.firedAt === undefined) {
      this.#unfired++;
      return;
    }
    this.#count++;
    if (this.#episodes.length >= EPISODES_MAX) return;
    const { transitions: _, ...episode } = span;
    this.#episodes.push({ ...episode, lane: episodeLane(span) });
  }
}
