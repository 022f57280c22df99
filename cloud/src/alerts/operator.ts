/** What operators do with an episode, as a pure step: what is asked for that is so already changes nothing. */
import {
  defined,
  type Episode,
  type EpisodeFacts,
  episodeOf,
  factsOf,
  type OperatorAction,
  type OperatorEntry,
} from './episode.ts';

/** Of one episode; the oldest goes first. They are part of an item that may have 400 KB. */
const ENTRIES_MAX = 100;
const ENTRIES_BYTES_MAX = 100_000;
export const COMMENT_CHARS_MAX = 1_000;
export const ASSIGNEE_CHARS_MAX = 128;
/** Whatever is to be quiet for longer is a matter for the rule. */
export const SHELVE_MS_MAX = 30 * 86_400_000;

export type Acted =
  | { kind: 'done'; episode: Episode }
  /** It is so already. */
  | { kind: 'unchanged' }
  /** It cannot be: why. */
  | { kind: 'refused'; why: string };

export function act(before: Episode, entry: OperatorEntry): Acted {
  if (before.log.some(({ id }) => id === entry.id)) return { kind: 'unchanged' };
  const facts = factsOf(before);
  const change = CHANGES[entry.what](before, entry);
  if (typeof change === 'string') return { kind: 'refused', why: change };
  if (change === undefined && entry.comment === undefined) return { kind: 'unchanged' };
  const log = latestOf([...facts.log, entry]);
  const after = defined({ ...facts, ...change, log, updatedAt: entry.at }) as EpisodeFacts;
  if (entry.comment !== undefined) after.comments = (facts.comments ?? 0) + 1;
  return { kind: 'done', episode: episodeOf(after) };
}

function latestOf(log: readonly OperatorEntry[]): OperatorEntry[] {
  const latest = log.slice(-ENTRIES_MAX);
  while (Buffer.byteLength(JSON.stringify(latest)) > ENTRIES_BYTES_MAX) latest.shift();
  return latest;
}

type Change = { [K in keyof EpisodeFacts]?: EpisodeFacts[K] | undefined };

/** @returns what it changes; undefined when it is so already, a text when it cannot be */
const CHANGES: Record<OperatorAction, (before: Episode, entry: OperatorEntry) => Change | string | undefined> = {
  ack({ ackedAt }, { at, by, comment }) {
    return ackedAt === undefined ? { ackedAt: at, ackedBy: by, ackComment: comment } : undefined;
  },
  unack({ ackedAt, state, latch }) {
    if (ackedAt === undefined) return undefined;
    if (state === 'resolved' && latch) return 'it is over, by having been acknowledged';
    return { ackedAt: undefined, ackedBy: undefined, ackComment: undefined };
  },
  assign({ assignee: before }, { assignee }) {
    return before === assignee ? undefined : { assignee };
  },
  comment: () => undefined,
  shelve({ state, shelvedUntil }, { by, until }) {
    if (state === 'resolved') return 'it is over';
    return shelvedUntil === until ? undefined : { shelvedUntil: until, shelvedBy: by };
  },
  unshelve({ shelvedUntil }) {
    return shelvedUntil === undefined ? undefined : { shelvedUntil: undefined, shelvedBy: undefined };
  },
  end(before, { at, by, comment }) {
    if (before.state === 'resolved') return undefined;
    const seq = before.seen.at(-1)![1] + 1;
    return { endedManually: { at, by, seq, ...(comment !== undefined && { comment }) } };
  },
};

/** Whoever raised it still has it open, though a person has ended it: it is to hear of that. */
export function isToBeHeard({ endedManually, clearedAt }: Pick<Episode, 'endedManually' | 'clearedAt'>): boolean {
  return endedManually !== undefined && clearedAt === undefined;
}
