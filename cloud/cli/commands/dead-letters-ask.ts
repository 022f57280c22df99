/** Asks the hub to run letters again or to remove them, and tells what became of each. */
import { setTimeout } from 'node:timers/promises';
import type { DeadLetter, Device } from '../answers.ts';
import type { HubClient } from '../client.ts';
import { Failure } from '../failure.ts';
import { path, type Session } from '../session.ts';
import { plain } from '../table.ts';

interface Outcome {
  id: string;
  function: string;
  device: string;
  outcome: 'replayed' | 'removed' | 'failed-again' | 'not-run' | 'waits';
  detail?: string;
}

const POLL_MS = 300;
/** What the hub takes in one request. */
const IDS_MAX = 100;

export async function askFor(
  session: Session,
  hub: HubClient,
  what: 'replay' | 'remove',
  letters: readonly DeadLetter[],
  { waitMs, json }: { waitMs: number; json: boolean },
): Promise<void> {
  if (letters.length === 0) session.note('There are no such dead letters.\n');
  // Ids begin with the time at which the input came.
  const inOrder = letters.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  for (let from = 0; from < inOrder.length; from += IDS_MAX) {
    await hub.send('POST', `/dead-letters/${what}`, { ids: inOrder.slice(from, from + IDS_MAX).map(({ id }) => id) });
  }
  const outcomes = await follow(session, hub, what, inOrder, { waitMs, json });
  if (json) session.out(`${JSON.stringify(outcomes, null, 2)}\n`);
  const bad = outcomes.filter(({ outcome }) => outcome === 'failed-again' || outcome === 'not-run');
  if (bad.length > 0) {
    throw new Failure(`${bad.length} of ${outcomes.length} are still there`, 'see why: weir fn dead-letters show ID');
  }
}

/** Until all are settled that can be now: a device that is away settles its own when it is back. */
async function follow(
  session: Session,
  hub: HubClient,
  what: 'replay' | 'remove',
  letters: readonly DeadLetter[],
  { waitMs, json }: { waitMs: number; json: boolean },
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const settle = (letter: DeadLetter, outcome: Outcome['outcome'], detail?: string) => {
    const { id, device } = letter;
    outcomes.push({ id, function: letter.function, device, outcome, ...(detail !== undefined && { detail }) });
    const why = detail === undefined ? '' : `: ${plain(detail)}`;
    if (!json) session.out(`${id}  ${letter.function} on ${device}  ${words[outcome]}${why}\n`);
  };
  const deadline = Date.now() + waitMs;
  for (const [device, own] of Map.groupBy(letters, (letter) => letter.device)) {
    const isThere = own.some(({ where }) => where === 'cloud') || (await isConnected(hub, device));
    if (!isThere) session.note(`${device} is offline; it does it when it is back, within a week.\n`);
    let open = own;
    while (open.length > 0) {
      const now = new Map((await hub.all<DeadLetter>('/dead-letters', { device })).map((each) => [each.id, each]));
      for (const before of open) {
        const { outcome, detail } = outcomeOf(what, before, now.get(before.id)) ?? {};
        if (outcome === undefined) continue;
        settle(before, outcome, detail);
        open = open.filter((each) => each !== before);
      }
      if (!isThere || Date.now() >= deadline) break;
      if (open.length > 0) await setTimeout(POLL_MS);
    }
    for (const letter of open) settle(letter, 'waits');
  }
  return outcomes;
}

const words: Record<Outcome['outcome'], string> = {
  replayed: 'was run again',
  removed: 'is removed',
  'failed-again': 'failed again',
  'not-run': 'was not run',
  waits: 'waits',
};

/** Undefined: not settled yet. */
function outcomeOf(
  what: 'replay' | 'remove',
  before: DeadLetter,
  now: DeadLetter | undefined,
): Pick<Outcome, 'outcome' | 'detail'> | undefined {
  if (now === undefined) return { outcome: what === 'replay' ? 'replayed' : 'removed' };
  if (now.replays > before.replays) return { outcome: 'failed-again', detail: errorOf(now) };
  if (now.answer !== undefined && now.answer.at !== before.answer?.at) {
    return { outcome: 'not-run', detail: now.answer.detail };
  }
  return undefined;
}

/** In one line. */
export function errorOf({ error: { kind, message, place } }: DeadLetter): string {
  const text = kind === 'threw' ? message : `${kind}: ${message}`;
  return place === undefined ? text : `${text} at ${place}`;
}

async function isConnected(hub: HubClient, device: string): Promise<boolean> {
  return (await hub.get<Device>(path`/devices/${device}`)).presence?.connected ?? false;
}
