/** Silences: table `silence`, partition `all`, sort = id. */
import { UsageError } from '@weir/runtime';
import type { Change, ItemKey, Store } from '../../store/store.ts';
import { formatMatchers, type Matcher, matches, parseMatchers } from './matchers.ts';

export interface Silence {
  id: string;
  matchers: Matcher[];
  /** ms since epoch, as all times here. */
  startsAt: number;
  endsAt: number;
  by: string;
  comment?: string;
  createdAt: number;
  /** Who ended it before its time. */
  endedBy?: string;
}

/** As it is shown. */
export interface SilenceRecord extends Omit<Silence, 'matchers'> {
  matchers: string;
  state: 'pending' | 'active' | 'expired';
}

export interface SilenceInput {
  matchers: string;
  /** Default: now. */
  startsAt?: number | undefined;
  endsAt: number;
  comment?: string | undefined;
}

/** All are looked at for each alert. */
const SILENCES_MAX = 500;
/** They are shown so long after their end, that people see why they were not told. */
export const SILENCE_KEPT_MS = 7 * 86_400_000;
/** What is to be quiet for longer is a matter for the rule. */
const SILENCE_MS_MAX = 366 * 86_400_000;
const COMMENT_CHARS_MAX = 1_000;

const TABLE = 'silence';
export const silenceKey = (id: string): ItemKey => ({ table: TABLE, partition: 'all', sort: id });

/** In order of their ids. */
export async function readSilences(store: Store): Promise<Silence[]> {
  const { items } = await store.query({ table: TABLE, partition: 'all', limit: SILENCES_MAX });
  return items.map((item) => item.json as Silence);
}

export function isActive({ startsAt, endsAt }: Silence, now: number): boolean {
  return startsAt <= now && now < endsAt;
}

export function shownSilence(silence: Silence, now: number): SilenceRecord {
  const state = isActive(silence, now) ? 'active' : now < silence.startsAt ? 'pending' : 'expired';
  return { ...silence, matchers: formatMatchers(silence.matchers), state };
}

/**
 * @param id of the new one
 * @returns what to write; what expired long ago goes
 * @throws {UsageError} `matcher-invalid`, `silence-invalid`, `limit-exceeded`
 */
export async function silenceChanges(
  store: Store,
  input: SilenceInput,
  { id, by, now }: { id: string; by: string; now: number },
): Promise<{ silence: Silence; changes: Change[] }> {
  const { startsAt = now, endsAt, comment } = input;
  if (endsAt <= Math.max(startsAt, now)) throw invalid('it would be over before it begins', 'give a later end');
  if (endsAt - startsAt > SILENCE_MS_MAX) throw invalid('it would last more than a year', 'take the rule away instead');
  if ((comment ?? '').length > COMMENT_CHARS_MAX) throw invalid('its comment is too long', 'say it in fewer words');
  const matchers = parseMatchers(input.matchers);
  verifyMeant(matchers);
  const known = await readSilences(store);
  const gone = known.filter((each) => each.endsAt + SILENCE_KEPT_MS < now);
  if (known.length - gone.length >= SILENCES_MAX) {
    throw new UsageError('limit-exceeded', `there are ${SILENCES_MAX} silences, which is the limit`, 'end some first');
  }
  const times = { startsAt, endsAt, createdAt: now };
  const silence = { id, matchers, ...times, by, ...(comment !== undefined && { comment }) };
  const removed = gone.slice(0, REMOVED_MAX).map((each): Change => ({ remove: silenceKey(each.id) }));
  return { silence, changes: [{ put: silenceKey(id), json: silence, ifVersion: 0 }, ...removed] };
}

/** Labels that every alert has. */
const ALWAYS = ['alertname', 'device', 'severity', 'origin'];

/**
 * What comes of a variable that is not set, or of a pattern that takes everything, is not what somebody wants silence about.
 *
 * @throws {UsageError} `silence-invalid`
 */
function verifyMeant(matchers: readonly Matcher[]): void {
  const remedy = 'say what is worked on, e.g. device=gw1 or alertname=~"oven.*"';
  const none = matchers.find(({ name, operator, value }) => operator === '=' && value === '' && ALWAYS.includes(name));
  if (none !== undefined)
    throw invalid(`${formatMatchers([none])} is of no alert, for each has a ${none.name}`, remedy);
  if (!matchers.every(isVacuous)) return;
  throw invalid(`${formatMatchers(matchers)} does not say of what: it would be of nearly all alerts`, remedy);
}

/** It takes what has no such label, or whatever has one. */
function isVacuous({ name, operator, value }: Matcher): boolean {
  return operator.startsWith('=') ? matches([{ name, operator, value }], {}) : value === '';
}

/** With one write. */
const REMOVED_MAX = 20;

function invalid(why: string, remedy: string): UsageError {
  return new UsageError('silence-invalid', `the silence cannot be: ${why}`, remedy);
}

/** @throws {UsageError} `silence-unknown`, `silence-ambiguous` */
export function findSilence(known: readonly Silence[], begin: string): Silence {
  const found = known.filter(({ id }) => id.startsWith(begin));
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    throw new UsageError('silence-ambiguous', `several silences begin with "${begin}"`, 'give more of the id');
  }
  const remedy = 'see which there are: weir alert silence list';
  throw new UsageError('silence-unknown', `there is no silence "${begin}"`, remedy);
}
