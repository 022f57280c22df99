/**
 * Prints what becomes of alerts as it happens. A hub that goes away is tried again until it is back; what happened meanwhile is asked for
 * then, and printed before what comes. Nothing is printed twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type AlertTransition, transitionKey } from '@weir/protocols';
import { Command } from 'commander';
import type { AlertEvent, Episode, EpisodeDetail } from '../alert-answers.ts';
import { operatorLine, transitionLine } from '../alert-words.ts';
import type { HubClient, Query } from '../client.ts';
import { Failure } from '../failure.ts';
import { examples, path, type Session } from '../session.ts';
import { type FilterOptions, queryOf, withFilter } from './alert-filter.ts';

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 15_000;
/** Printed last: what is older does not come again. */
const PRINTED_MAX = 10_000;

export function watchCommand(session: Session): Command {
  return withFilter(new Command('watch'))
    .description('print alerts as they happen, until Ctrl-C')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('weir alert watch', 'weir alert watch --severity critical --group ovens --json'))
    .action(async ({ json = false, ...filter }: FilterOptions & { json?: boolean }) => {
      const interrupted = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
      await new Watch(session, queryOf(filter), json).run(interrupted.signal);
    });
}

class Watch {
  readonly #session: Session;
  readonly #query: Query;
  readonly #json: boolean;
  readonly #printed = new Set<string>();
  /** The highest number of each episode that was printed. */
  readonly #reached = new Map<string, number>();
  /** By the clock of the hub: until then all is known. Undefined: it was never there. */
  #knownUntil: number | undefined;
  #retryMs = RETRY_MS;

  constructor(session: Session, query: Query, json: boolean) {
    this.#session = session;
    this.#query = query;
    this.#json = json;
  }

  async run(signal: AbortSignal): Promise<void> {
    const hub = this.#session.hub();
    while (!signal.aborted) {
      try {
        await this.#follow(hub, signal);
      } catch (error) {
        // One that was never there is a mistake of whoever types.
        if (!(error instanceof Failure) || this.#knownUntil === undefined) throw error;
      }
      if (signal.aborted) return;
      this.#session.note('The hub ended the connection; it is tried again until it is back.\n');
      await sleep(this.#retryMs, undefined, { signal }).catch(() => {});
      this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
    }
  }

  async #follow(hub: HubClient, signal: AbortSignal): Promise<void> {
    for await (const each of hub.stream('/alerts/watch', this.#query, signal)) {
      const event = each as AlertEvent;
      if (event.type === 'watching') {
        const since = this.#knownUntil;
        if (since === undefined) this.#session.note('Watching for alerts. Ctrl-C ends it.\n');
        else {
          await this.#catchUp(hub, since);
          this.#session.note('Watching again.\n');
        }
        this.#retryMs = RETRY_MS;
      } else this.#print(event);
      this.#knownUntil = Math.max(this.#knownUntil ?? 0, event.at);
    }
  }

  /** Those that the filter takes as they are now. */
  async #catchUp(hub: HubClient, since: number): Promise<void> {
    const changed = await hub.all<Episode>('/alerts', { ...this.#query, updatedSince: since });
    for (const { episode: id } of changed.sort((a, b) => a.updatedAt - b.updatedAt)) {
      const { transitions, log, ...episode } = await hub.get<EpisodeDetail>(path`/alerts/${id}`);
      for (const transition of this.#missed(transitions, episode.recordedAt >= since)) {
        this.#print({ type: 'transition', at: episode.updatedAt, transition, episode });
      }
      for (const entry of log.filter(({ at }) => at >= since)) {
        this.#print({ type: 'operator', at: entry.at, entry, episode });
      }
    }
  }

  /** Of one that was there before, and of which nothing was printed, the latest. */
  #missed(transitions: AlertTransition[], isNew: boolean): AlertTransition[] {
    const reached = this.#reached.get(transitions[0]!.episode);
    if (reached !== undefined) return transitions.filter(({ seq }) => seq > reached);
    return isNew ? transitions : transitions.slice(-1);
  }

  #print(event: Exclude<AlertEvent, { type: 'watching' }>): void {
    const key =
      event.type === 'transition' ? transitionKey(event.transition) : `${event.episode.episode}/${event.entry.id}`;
    if (this.#printed.has(key)) return;
    if (this.#printed.size >= PRINTED_MAX) this.#printed.delete(this.#printed.values().next().value!);
    this.#printed.add(key);
    if (event.type === 'transition') this.#reach(event.transition);
    // What its device says of one that was ended by hand is in the history.
    const isAfterEnd = event.type === 'transition' && event.episode.endedManually !== undefined;
    if (this.#json) this.#session.out(`${JSON.stringify(event)}\n`);
    else if (!isAfterEnd) this.#session.out(`${lineOf(event)}\n`);
  }

  #reach({ episode, seq }: AlertTransition): void {
    const before = this.#reached.get(episode) ?? 0;
    this.#reached.delete(episode);
    if (this.#reached.size >= PRINTED_MAX) this.#reached.delete(this.#reached.keys().next().value!);
    this.#reached.set(episode, Math.max(before, seq));
  }
}

function lineOf(event: Exclude<AlertEvent, { type: 'watching' }>): string {
  if (event.type === 'operator') return operatorLine(event.entry, event.episode);
  const { clearedAt, state } = event.episode;
  const isLatched = event.transition.state === 'resolved' && state !== 'resolved' && clearedAt !== undefined;
  return `${transitionLine(event.transition)}${isLatched ? ' (fires until it is acknowledged)' : ''}`;
}
