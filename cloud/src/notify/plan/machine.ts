/**
 * The machine: what has happened, and what time it is, give what is to be remembered and the messages to send. README.md beside it is
 * its specification.
 *
 * It changes the plan in place, for what it knows of ten thousand alerts is not copied for each of them; what it changed, and what is to
 * be sent, is in `plan.changed` until it is taken. It reads no clock, and does no io.
 */

import type { AlertTransition } from '@weir/protocols';
import type { Origin } from '../../api/events.ts';
import { alertLabels, type DeviceFacts } from '../labels.ts';
import { tellAcknowledged } from './acknowledged.ts';
import { calmAt, changed, forgottenAt, isFlapping, subjectOf } from './flapping.ts';
import { idOf, type Plan } from './plan.ts';
import { flush } from './queues.ts';
import { reconcile } from './reconcile.ts';
import type { OperatorNote, PlannedAlert } from './state.ts';

export type PlanEvent =
  | {
      kind: 'transition';
      transition: AlertTransition;
      origin: Origin;
      /** When the hub had it; ms since epoch. */
      at: number;
      facts?: DeviceFacts | undefined;
      /** Ids of the channels that there were when it first fired. */
      channels: readonly string[];
      /** Nothing is known of it, and all of `channels` were told that it fires: by a hub of before. */
      isOld?: boolean;
    }
  | { kind: 'operator'; note: OperatorNote }
  /** A device came or went. */
  | { kind: 'presence'; device: string }
  /** Look how it stands. @see channelsToLookAt */
  | { kind: 'look'; episode: string; channels?: readonly string[] }
  /** Channels, policy or silences are others. */
  | { kind: 'settings' }
  /** The clock was set back: what is due is nearer than it was. */
  | { kind: 'clock' }
  /** Of the key that `plan.timers` gave. */
  | { kind: 'due'; key: string };

/**
 * At most 1 + 4 times as many changes as there are channels to look at come of `look`, and 3 + LISTED_MAX of `due`.
 * @returns episodes that must be looked at because of it; which of them are is not lost when they are not, for a plan that is loaded
 *   looks at all
 */
export function step(plan: Plan, event: PlanEvent, now: number): Iterable<string> {
  switch (event.kind) {
    case 'transition':
      return take(plan, event, now);
    case 'operator':
      return operate(plan, event.note);
    case 'presence':
      return plan.ofDevice(event.device);
    case 'settings':
      return adopt(plan, now);
    case 'clock':
      for (const [channel, queue] of plan.queues()) {
        if (queue.since !== undefined) queue.since = Math.min(queue.since, now);
        if (queue.lastAt !== undefined) queue.lastAt = Math.min(queue.lastAt, now);
        plan.timers.set(`queue/${channel}/${queue.key}`, now);
      }
      return [...plan.alerts.keys()];
    case 'look':
      reconcile(plan, event.episode, now, event.channels);
      return [];
    case 'due':
      return due(plan, event.key, now);
  }
}

type Taken = PlanEvent & { kind: 'transition' };

function take(plan: Plan, event: Taken, now: number): Iterable<string> {
  const { transition, at } = event;
  const { device, episode } = transition;
  const known = plan.alerts.get(episode);
  const isOver = transition.state === 'resolved';
  if (known !== undefined && (known.isOver || transition.seq < known.transition.seq)) return [episode];
  if (plan.heardAt.has(device)) plan.heardAt.set(device, now);
  if (known === undefined) {
    if (isOver && !event.isOld) return [];
    const alert = planned(event);
    if (isLate(plan, alert, at)) {
      alert.settlingSince = now;
      plan.heardAt.set(device, now);
    }
    plan.add(alert);
    plan.touch(alert);
    if (!isOver) flap(plan, transition, now);
    return [episode, ...plan.inhibitions.targetsOf(alert.labels)];
  }
  const others = new Set([episode, ...plan.inhibitions.targetsOf(known.labels)]);
  plan.relabel(known, () => {
    known.transition = transition;
    known.isOver = isOver;
    known.labels = { ...known.labels, severity: transition.severity };
  });
  if (isOver) flap(plan, transition, now);
  else for (const other of plan.inhibitions.targetsOf(known.labels)) others.add(other);
  return others;
}

function planned({ transition, origin, facts, channels }: Taken): PlannedAlert {
  const { severity, state } = transition;
  const isOver = state === 'resolved';
  const told = isOver ? channels.map((channel) => [channel, { told: { severity, listed: true } }]) : [];
  const labels = alertLabels(transition, origin, facts);
  return { transition, origin, labels, isOver, channels, knows: Object.fromEntries(told), log: [] };
}

function isLate({ settings }: Plan, { transition, isOver }: PlannedAlert, at: number): boolean {
  // One whose device does not know what time it is may be as fresh as any.
  if (isOver || transition.historical || transition.quality === 'clock') return false;
  return at - transition.ts > settings.policy.settle.late;
}

function flap(plan: Plan, transition: AlertTransition, now: number): void {
  const options = plan.settings.policy.flapping;
  if (options === undefined || transition.historical || transition.dryRun) return;
  const subject = subjectOf(transition);
  const before = plan.flaps.get(subject);
  const isOn = isFlapping(before, options, now);
  // What has calmed down begins anew.
  const after = changed(isOn || before?.since === undefined ? before : undefined, options, now);
  plan.flaps.set(subject, after);
  plan.timers.set(`flaps/${subject}`, calmAt(after, options));
  // Few flap: the first changes are not worth a write.
  if (after.changes.length >= FLAPS_KEPT_FROM || after.since !== undefined) plan.changed.flaps.add(subject);
}

const FLAPS_KEPT_FROM = 3;

function operate(plan: Plan, { episode, what, at, by, until }: OperatorNote): Iterable<string> {
  const alert = plan.alerts.get(episode);
  if (alert === undefined) return [];
  const { severity } = alert.transition;
  if (what === 'ack') {
    if (alert.ack === undefined) tellAcknowledged(plan, alert, at);
    alert.ack = { at, severity, ...(by !== undefined && { by }) };
  }
  if (what === 'unack') delete alert.ack;
  else if (what === 'shelve' && until !== undefined) alert.shelvedUntil = until;
  else if (what === 'unshelve') delete alert.shelvedUntil;
  plan.touch(alert);
  return [idOf(alert)];
}

function adopt(plan: Plan, now: number): Iterable<string> {
  const { channels } = plan.settings;
  for (const id of plan.channels.keys()) {
    if (channels.has(id)) continue;
    plan.channels.delete(id);
    plan.changed.channels.add(id);
  }
  // What waits is looked at by the new policy; that of a channel which is gone goes.
  for (const [channel, { key }] of plan.queues())
    if (!channels.has(channel)) plan.timers.set(`queue/${channel}/${key}`, now);
  return [...plan.alerts.keys()];
}

function due(plan: Plan, key: string, now: number): Iterable<string> {
  const [kind, rest] = split(key, '/');
  if (kind === 'alert') return [rest];
  if (kind === 'flaps') return calm(plan, rest, now);
  const [channelId, queueKey] = split(rest, '/');
  const channel = plan.settings.channels.get(channelId);
  const queue = plan.queue(channelId, queueKey);
  if (queue === undefined) return [];
  if (channel === undefined) plan.removeQueue(channelId, queue);
  else flush(plan, channel, queue, now);
  return [];
}

function calm(plan: Plan, subject: string, now: number): Iterable<string> {
  const options = plan.settings.policy.flapping;
  const flaps = plan.flaps.get(subject);
  if (flaps === undefined) return [];
  if (isFlapping(flaps, options, now)) {
    plan.timers.set(`flaps/${subject}`, calmAt(flaps, options!));
    return [];
  }
  const forgottenIn = options === undefined ? 0 : forgottenAt(flaps, options) - now;
  if (forgottenIn <= 0 || flaps.since !== undefined) {
    plan.flaps.delete(subject);
    plan.changed.flaps.add(subject);
  } else plan.timers.set(`flaps/${subject}`, now + forgottenIn);
  return plan.ofSubject(subject);
}

function split(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return [text.slice(0, at), text.slice(at + 1)];
}
