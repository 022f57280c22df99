import { setTimeout } from 'node:timers/promises';
import type { Deployment, Rollout, RolloutCounts } from '../answers.ts';
import type { HubClient } from '../client.ts';
import { Failure } from '../failure.ts';
import { path, type Session } from '../session.ts';
import { plain } from '../table.ts';

const POLL_MS = 300;
/** What takes less is on its way. */
const WAIT_TOLD_MS = 3_000;
/** A terminal that does not say how wide it is. */
const COLUMNS = 80;

/**
 * Tells how a rollout goes until it ends, or whoever looks on has seen enough: it goes on without.
 *
 * @param timeoutMs undefined: until it ends
 * @throws {Failure} when it was aborted, or did not end in time
 */
export async function followRollout(
  session: Session,
  hub: HubClient,
  { group, name }: Pick<Deployment, 'group' | 'name'>,
  timeoutMs?: number,
): Promise<void> {
  const left = new AbortController();
  const leave = () => left.abort();
  process.once('SIGINT', leave);
  const screen = new Screen(session);
  try {
    const ended = await watch(hub, { group, name }, screen, left.signal, timeoutMs);
    screen.clear();
    if (ended === undefined) session.note(leftText(group, name));
    else judge(ended);
  } finally {
    screen.clear();
    process.removeListener('SIGINT', leave);
  }
}

/** @returns undefined when whoever looked on left */
async function watch(
  hub: HubClient,
  { group, name }: Pick<Deployment, 'group' | 'name'>,
  screen: Screen,
  left: AbortSignal,
  timeoutMs?: number,
): Promise<Rollout | undefined> {
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs;
  let id: number | undefined;
  let lines = 0;
  for (;;) {
    const rollout = await hub.get<Rollout>(path`/groups/${group}/rollouts/${name}`);
    id ??= rollout.id;
    if (rollout.id !== id) throw new Failure(`${name}@${rollout.version} was deployed meanwhile, and takes its place`);
    for (const { text } of rollout.told.slice(lines)) screen.line(`  ${plain(text)}`);
    lines = rollout.told.length;
    if (isOver(rollout)) return rollout;
    screen.status(statusText(rollout));
    screen.waits(rollout.waiting);
    if (left.aborted) return undefined;
    if (Date.now() >= deadline) {
      throw new Failure(
        `the rollout of ${name} goes on: ${rollout.waiting ?? rollout.phase}`,
        followRemedy(group, name),
      );
    }
    await setTimeout(POLL_MS, undefined, { signal: left }).catch(() => {});
  }
}

function isOver({ phase, atOnce, counts }: Rollout): boolean {
  if (phase === 'done' || phase === 'aborted' || phase === 'superseded') return true;
  // Everybody has it already; whether those that are offline take it is not waited for.
  return atOnce && phase === 'watching' && counts !== undefined && counts.pending === 0;
}

function judge({ name, version, phase, why, failures, goesBackTo, atOnce, counts, group }: Rollout): void {
  if (phase === 'aborted') {
    const back = goesBackTo === undefined ? 'it is taken off' : `${goesBackTo} is back`;
    throw new Failure(`${name}@${version} was aborted: ${why}; ${back}`, abortRemedy(name, failures.length > 0));
  }
  if (phase === 'superseded') throw new Failure(`${name}@${version} was superseded by a newer deployment`);
  if (atOnce && (counts?.failed ?? 0) > 0) {
    throw new Failure(`${name}@${version} does not run on ${counts!.failed} devices`, followRemedy(group, name));
  }
}

function abortRemedy(name: string, isBroken: boolean): string {
  return isBroken ? `mend it, and deploy it anew; see: weir deploy status ${name}` : `see: weir deploy status ${name}`;
}

function followRemedy(group: string, name: string): string {
  return `see it with: weir deploy status ${name} --group ${group}`;
}

function leftText(group: string, name: string): string {
  const of = `${name} --group ${group}`;
  return `The rollout goes on without us. See it: weir deploy status ${of}; end it: weir deploy abort ${of}\n`;
}

/** `wave 2 of 3 (10%): 12 run it, 3 on the way, 1 failed; …` */
export function statusText({ wave, waves, phase, counts, waiting, atOnce }: Rollout): string {
  const step = atOnce ? 'all at once' : `wave ${wave} of ${waves.length} (${waves[wave - 1]})`;
  const how = counts === undefined ? phase : countsText(counts);
  return waiting === undefined ? `${step}: ${how}` : `${step}: ${how} - ${waiting}`;
}

export function countsText({ running, pending, failed, offline, members }: RolloutCounts): string {
  const parts = [`${running} of ${members} run it`];
  if (pending > 0) parts.push(`${pending} on the way`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (offline > 0) parts.push(`${offline} offline`);
  return parts.join(', ');
}

/**
 * On a terminal one line that changes below those that stay; elsewhere only those that stay, and what a rollout has waited
 * for a while: whoever reads the log of a pipeline must not take it for stuck.
 */
class Screen {
  readonly #session: Session;
  readonly #isLive = process.stderr.isTTY === true;
  #shown = '';
  /** Elsewhere: what it waits for, since when, and whether that has been said. */
  #wait: { text: string; since: number; isTold: boolean } = { text: '', since: 0, isTold: true };

  constructor(session: Session) {
    this.#session = session;
  }

  line(text: string): void {
    this.clear();
    this.#session.out(`${text}\n`);
  }

  status(text: string): void {
    if (!this.#isLive || text === this.#shown) return;
    this.clear();
    const columns = process.stderr.columns ?? COLUMNS;
    this.#session.note(`  ${plain(text)}`.slice(0, columns - 1));
    this.#shown = text;
  }

  /** @param text what a rollout waits for; undefined: for nothing */
  waits(text: string | undefined): void {
    if (this.#isLive) return;
    const now = Date.now();
    if (text !== this.#wait.text) this.#wait = { text: text ?? '', since: now, isTold: text === undefined };
    if (this.#wait.isTold || now - this.#wait.since < WAIT_TOLD_MS) return;
    this.line(`  it waits: ${plain(this.#wait.text)}`);
    this.#wait.isTold = true;
  }

  clear(): void {
    if (this.#shown !== '') this.#session.note('\r\u001b[2K');
    this.#shown = '';
  }
}
