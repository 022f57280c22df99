/**
 * What the plan has not seen yet. Whoever commits something that may have to be told adds one item in the same write, however many
 * channels there are.
 *
 *     table    partition   sort
 *     notify   intake      <time>/<key of the first>
 */
import { type AlertTransition, transitionKey } from '@weir/protocols';
import type { Origin } from '../../api/events.ts';
import type { Change, Item, Store } from '../../store/store.ts';
import type { OperatorNote } from './state.ts';

/** A transition to be told. */
export interface Telling {
  transition: AlertTransition;
  origin: Origin;
  /** Ids of the channels there were when it first fired. */
  channels: string[];
}

export type IntakeEntry =
  | Telling
  | { operator: OperatorNote }
  /** Silences or the policy are others. */
  | { settings: true };

export interface Intake {
  at: number;
  entries: IntakeEntry[];
  /** Entries that are planned already. */
  done?: number;
}

/** A transition has 4 KB at most, so that the item stays far under its limit. */
const ENTRIES_PER_ITEM = 64;
const PAGE = 50;

/** To be committed in the write that records the transitions. */
export function intakeChanges(entries: readonly IntakeEntry[], now: number): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at < entries.length; at += ENTRIES_PER_ITEM) {
    const some = entries.slice(at, at + ENTRIES_PER_ITEM);
    changes.push(intakeChange(keyOfEntry(some[0]!), some, now));
  }
  return changes;
}

/** @param id that no other has at this time */
export function intakeChange(id: string, entries: IntakeEntry[], now: number): Change {
  const json: Intake = { at: now, entries };
  return { put: { table: 'notify', partition: 'intake', sort: `${String(now).padStart(15, '0')}/${id}` }, json };
}

function keyOfEntry(entry: IntakeEntry): string {
  if ('transition' in entry) return transitionKey(entry.transition);
  return 'operator' in entry ? `operator-${entry.operator.id}` : 'settings';
}

/** The oldest. */
export async function readIntake(store: Store): Promise<Item[]> {
  return (await store.query({ table: 'notify', partition: 'intake', limit: PAGE })).items;
}

/** The first transition of an episode that waits and is no end. */
export async function findBegin(store: Store, episode: string): Promise<{ entry: Telling; at: number } | undefined> {
  let after: string | undefined;
  do {
    const query = { table: 'notify', partition: 'intake', limit: PAGE };
    const page = await store.query(after === undefined ? query : { ...query, after });
    for (const { at, entries } of page.items.map(({ json }) => json as Intake)) {
      const entry = entries.find((each): each is Telling => 'transition' in each && begins(each, episode));
      if (entry !== undefined) return { entry, at };
    }
    after = page.next;
  } while (after !== undefined);
  return undefined;
}

function begins({ transition }: Telling, episode: string): boolean {
  return transition.episode === episode && transition.state !== 'resolved';
}
