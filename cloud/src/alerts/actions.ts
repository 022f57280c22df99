/**
 * Carries out what operators do with episodes: each in one write with what is to be told of it, and with what whoever raised it is to
 * hear. Each is done once however often it is asked for; two who do something at the same time both do it.
 */
import { UsageError } from '@weir/runtime';
import type { HubEvents } from '../api/events.ts';
import { activeChannels } from '../notify/channels.ts';
import { type IntakeEntry, intakeChanges } from '../notify/plan/intake.ts';
import { type Change, type Store, StoreError } from '../store/store.ts';
import { type Ends, toldChange } from './ends.ts';
import type { Episode, OperatorEntry } from './episode.ts';
import { entriesOf, episodesLike } from './episodes.ts';
import { episodeIn, episodeKey, recordChanges, summaryOf } from './index-keys.ts';
import { act, isToBeHeard } from './operator.ts';
import { tellings } from './tell.ts';

export interface Outcome {
  episode: string;
  outcome: 'done' | 'unchanged' | 'refused';
  /** Why it cannot be. */
  why?: string;
}

export interface ActionPorts {
  store: Store;
  events: HubEvents;
  wakeNotifier: () => void;
  ends: Pick<Ends, 'committed'>;
  now: () => number;
}

/** Somebody else wrote it, again and again: each of its transitions may. */
const ATTEMPTS_MAX = 20;

/**
 * @param ids of episodes, or begins of ids that no other has
 * @throws {UsageError} `alert-unknown`, `alert-ambiguous`, before anything is done
 */
export async function actOn(
  ports: ActionPorts,
  ids: readonly string[],
  action: Omit<OperatorEntry, 'at'>,
): Promise<Outcome[]> {
  const episodes: string[] = [];
  for (const id of new Set(ids)) episodes.push(await resolveEpisode(ports.store, id));
  const outcomes: Outcome[] = [];
  for (const episode of new Set(episodes)) outcomes.push(await actOnOne(ports, episode, action));
  return outcomes;
}

async function actOnOne(ports: ActionPorts, id: string, action: Omit<OperatorEntry, 'at'>): Promise<Outcome> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptOn(ports, id, action);
    } catch (error) {
      const isConflict = error instanceof StoreError && error.code === 'conflict';
      if (!isConflict || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

async function attemptOn(ports: ActionPorts, id: string, action: Omit<OperatorEntry, 'at'>): Promise<Outcome> {
  const { store, events, now, wakeNotifier, ends } = ports;
  const at = now();
  const item = await store.get(episodeKey(id));
  if (item === undefined) return { episode: id, outcome: 'refused', why: 'it was forgotten meanwhile' };
  const entry: OperatorEntry = { ...action, at };
  const acted = act(episodeIn(item), entry);
  if (acted.kind === 'unchanged') return { episode: id, outcome: 'unchanged' };
  if (acted.kind === 'refused') return { episode: id, outcome: 'refused', why: acted.why };
  const { episode } = acted;
  const isToHear = entry.what === 'end' && isToBeHeard(episode);
  const told = tellings(episode, await activeChannels(store));
  const changes: Change[] = [
    ...recordChanges(item, episode),
    ...intakeChanges([...notesOf(episode, entry), ...entriesOf(episode, told)], at),
    ...(isToHear ? [toldChange(episode, at)] : []),
  ];
  await store.write(changes);
  events.emit({ type: 'operator', at, entry, episode: summaryOf(episode) });
  wakeNotifier();
  if (isToHear) ends.committed(episode);
  return { episode: id, outcome: 'done' };
}

/** What of it changes who is told. It comes before an end that it brings about. */
function notesOf({ episode }: Episode, { id, what, at, by, until }: OperatorEntry): IntakeEntry[] {
  if (what !== 'ack' && what !== 'unack' && what !== 'shelve' && what !== 'unshelve') return [];
  return [{ operator: { id, episode, what, at, by, ...(until !== undefined && { until }) } }];
}

/** @throws {UsageError} `alert-unknown`, `alert-ambiguous` */
export async function resolveEpisode(store: Store, begin: string): Promise<string> {
  const [id, another] = await episodesLike(store, begin, 2);
  if (id === undefined) {
    throw new UsageError(
      'alert-unknown',
      `there is no alert episode "${begin}"`,
      'see which there are: weir alert list',
    );
  }
  if (another === undefined) return id;
  throw new UsageError(
    'alert-ambiguous',
    `several alert episodes begin with "${begin}", e.g. ${id} and ${another}`,
    'give more of the id',
  );
}
