/**
 * Alerts that are told together: groups, digests, and what was over before anybody could be told.
 *
 *     queue    open: [7, 9]            batch 7 is the next message, 9 the one behind it
 *     alert    told: { place: 7 }      told as soon as 7 is not open any more, listed in it or only counted
 *
 * So a message that stands for ten thousand alerts is one small write, and each of them knows what was told of it. What has to be
 * listed, for it was told by name, goes into the first batch that has room for it.
 */
import { createHash } from 'node:crypto';
import type { Labels } from '../labels.ts';
import { type AlertMessage, type MessageReason, messageAlert, messageOf } from '../message.ts';
import { note } from './log.ts';
import { idOf, type Plan } from './plan.ts';
import { roomAt, withSent } from './rate.ts';
import { rankOf } from './severity.ts';
import type { Known, Place, PlanChannel, PlannedAlert, Queue } from './state.ts';

/** Of one message: more no one reads, and each that is listed is one change of its write. */
export const LISTED_MAX = 50;
/** How long a digest waits for more. */
export const DIGEST_WAIT_MS = 10_000;
/** How long what is over waits for more of its kind, and at most. */
const HISTORICAL_QUIET_MS = 10_000;
const HISTORICAL_LONGEST_MS = 60_000;

export const DIGEST = 'digest';
export const QUIET = 'quiet-hours';
export const HISTORICAL = 'historical';

export function groupOf({ policy: { groupBy = [] } }: PlanChannel, labels: Labels): { key: string; labels: Labels } {
  const names = groupBy.includes('...') ? Object.keys(labels).sort() : groupBy;
  const own = Object.fromEntries(names.flatMap((name) => (labels[name] === undefined ? [] : [[name, labels[name]]])));
  const hash = createHash('sha256').update(JSON.stringify(names.map((name) => labels[name] ?? '')));
  return { key: `group/${hash.digest('hex').slice(0, HASH_CHARS)}`, labels: own as Labels };
}

const HASH_CHARS = 16;

/** Where the alert is to stand. @param isListed it must be named in the message */
export function enqueue(
  plan: Plan,
  { id, policy }: PlanChannel,
  alert: PlannedAlert,
  queued: { key: string; kind: Queue['kind']; labels?: Labels; dueAt?: number; isListed?: boolean },
  now: number,
): Place {
  const { key, kind, labels = {} } = queued;
  const queue = plan.queue(id, key) ?? { key, kind, labels, open: [] };
  plan.setQueue(id, queue);
  const place = { queue: key, batch: batchFor(plan, id, queue, queued.isListed ?? false) };
  plan.wait(id, place, idOf(alert));
  queue.since ??= now;
  if (queued.dueAt !== undefined) queue.dueAt = queued.dueAt;
  else if (kind === 'historical') {
    queue.dueAt = Math.min(queue.since + HISTORICAL_LONGEST_MS, now + HISTORICAL_QUIET_MS);
  } else if (kind === 'digest') queue.dueAt ??= now + DIGEST_WAIT_MS;
  else {
    const { wait, interval } = policy;
    const at = queue.lastAt === undefined ? queue.since + wait : queue.lastAt + interval;
    queue.dueAt = Math.max(now, at);
  }
  plan.touchQueue(id, queue);
  return place;
}

function batchFor(plan: Plan, channel: string, queue: Queue, isListed: boolean): number {
  const batches = isListed ? queue.open : queue.open.slice(0, 1);
  const found = batches.find(
    (batch) => !isListed || plan.waiting(channel, { queue: queue.key, batch }).size < LISTED_MAX,
  );
  if (found !== undefined) return found;
  const state = plan.channel(channel);
  state.count += 1;
  plan.changed.channels.add(channel);
  queue.open.push(state.count);
  return state.count;
}

/** Takes it out of a batch that has not gone yet. */
export function dequeue(plan: Plan, channel: string, alert: PlannedAlert, place: Place): void {
  plan.unwait(channel, place, idOf(alert));
  plan.firesNoMore(channel, place.queue, idOf(alert));
}

interface Entry {
  alert: PlannedAlert;
  known: Known;
  why: MessageReason;
}

/** Sends the next message of a queue, if there is room for it. */
export function flush(plan: Plan, channel: PlanChannel, queue: Queue, now: number): void {
  const { id, policy } = channel;
  const state = plan.channel(id);
  const [batch] = queue.open;
  const place = batch === undefined ? undefined : { queue: queue.key, batch };
  const entries = place === undefined ? [] : entriesOf(plan, id, place);
  const others = othersOf(plan, id, queue, entries);
  if (entries.length === 0 && (others.length === 0 || !isToRepeat(queue, channel, now))) {
    if (batch !== undefined) queue.open.shift();
    settle(plan, channel, queue, others.length > 0, now);
    return;
  }
  const at = roomAt(state.sentAt, policy.rate, now, queue.kind === 'group' ? 1 : 0);
  if (at > now) {
    queue.dueAt = at;
    plan.touchQueue(id, queue);
    return;
  }
  if (batch === undefined) state.count += 1;
  const message = messageFor(channel, queue, batch ?? state.count, entries, others, now);
  plan.changed.messages.push({ message, order: batch ?? state.count });
  state.sentAt = withSent(state.sentAt, policy.rate, now);
  plan.changed.channels.add(id);
  if (place !== undefined) tell(plan, channel, place, entries, message, now);
  queue.lastAt = now;
  settle(plan, channel, queue, plan.firing(id, queue.key).size > 0, now);
}

function isToRepeat({ lastAt, kind }: Queue, { policy: { repeat } }: PlanChannel, now: number): boolean {
  return kind === 'group' && repeat !== undefined && lastAt !== undefined && now >= lastAt + repeat;
}

function entriesOf(plan: Plan, channel: string, place: Place): Entry[] {
  const entries: Entry[] = [];
  for (const episode of plan.waiting(channel, place)) {
    const alert = plan.alerts.get(episode);
    const known = alert?.knows[channel];
    if (alert === undefined || known === undefined) continue;
    entries.push({ alert, known, why: reasonOf(known, place) });
  }
  return entries.sort((a, b) => weight(b) - weight(a) || a.alert.transition.startedAt - b.alert.transition.startedAt);
}

function reasonOf({ end, update }: Known, { batch }: Place): MessageReason {
  if (end?.batch === batch) return 'resolved';
  return update?.place.batch === batch ? update.why : 'new';
}

/** What was told by name is listed first, then what is most severe. */
function weight({ alert, known, why }: Entry): number {
  if (why === 'resolved') return known.told?.listed ? 100 : 0;
  return 10 * (rankOf(alert.transition.severity) + 1) + (why === 'new' ? 1 : 0);
}

/** A message of a group names all of it that fires, also what was told before. */
function othersOf(plan: Plan, channel: string, { key, kind }: Queue, entries: readonly Entry[]): PlannedAlert[] {
  if (kind !== 'group') return [];
  const told = new Set(entries.map(({ alert }) => idOf(alert)));
  const others = [...plan.firing(channel, key)].filter((episode) => !told.has(episode));
  return others.flatMap((episode) => plan.alerts.get(episode) ?? []).filter(({ isOver }) => !isOver);
}

function messageFor(
  { id }: PlanChannel,
  queue: Queue,
  batch: number,
  entries: readonly Entry[],
  others: readonly PlannedAlert[],
  now: number,
): AlertMessage {
  const listed = [...entries.map(({ alert }) => alert), ...others].slice(0, LISTED_MAX);
  const resolved = entries.filter(({ alert }) => alert.isOver).length;
  const all = entries.length + others.length;
  const alerts = listed.map(({ transition, origin, labels }) => messageAlert(transition, origin, labels));
  return messageOf(alerts, {
    id: `${queue.key.replace('/', '-')}-${id}-${batch}`,
    channel: id,
    kind: queue.kind === 'group' ? 'alerts' : 'digest',
    why: whyOf(queue, entries),
    groupKey: queue.key,
    groupLabels: queue.labels,
    leftOut: all - listed.length,
    counts: { firing: all - resolved, resolved },
    createdAt: now,
  });
}

function whyOf({ kind }: Queue, entries: readonly Entry[]): MessageReason {
  if (kind !== 'group') return kind;
  const whys = new Set(entries.map(({ why }) => why));
  return (['new', 'severity', 'escalation', 'resolved'] as const).find((why) => whys.has(why)) ?? 'repeat';
}

function tell(
  plan: Plan,
  { id, name }: PlanChannel,
  place: Place,
  entries: readonly Entry[],
  message: AlertMessage,
  now: number,
): void {
  const listed = new Set(message.episodes);
  for (const { alert, known, why } of entries) {
    const episode = idOf(alert);
    if (known.end?.batch === place.batch) {
      // Told: it is done with, in a write of its own.
      plan.firesNoMore(id, place.queue, episode);
      plan.timers.set(`alert/${episode}`, now);
    }
    if (!listed.has(episode)) continue;
    if (known.told !== undefined) known.told.listed = true;
    note(alert, { at: now, channel: name, what: 'told', why, message: message.id });
    plan.touch(alert);
  }
  plan.queue(id, place.queue)!.open.shift();
  plan.closed(id, place);
}

/** What comes next of the queue, or that nothing does. */
function settle(plan: Plan, { id, policy }: PlanChannel, queue: Queue, fires: boolean, now: number): void {
  delete queue.dueAt;
  if (queue.open.length > 0) {
    queue.since = now;
    queue.dueAt = now;
  } else delete queue.since;
  if (queue.open.length === 0 && !fires) {
    plan.removeQueue(id, queue);
    return;
  }
  if (queue.open.length === 0 && queue.kind === 'group' && policy.repeat !== undefined) {
    queue.dueAt = (queue.lastAt ?? now) + policy.repeat;
  }
  plan.touchQueue(id, queue);
}
