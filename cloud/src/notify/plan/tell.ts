/** Ways in which a channel is told of an alert: at once and alone, with its group, or in a digest when there are too many. */
import { aloneMessage, type MessageReason, messageAlert } from '../message.ts';
import { stepsTo } from './escalation.ts';
import { note } from './log.ts';
import { idOf, type Plan } from './plan.ts';
import { DIGEST, enqueue, groupOf, QUIET } from './queues.ts';
import { roomAt, withSent } from './rate.ts';
import type { Known, PlanChannel, PlannedAlert } from './state.ts';

interface Told {
  plan: Plan;
  channel: PlanChannel;
  alert: PlannedAlert;
  now: number;
}

/** That it fires, for the first time. */
export function tellNew(told: Told, why: 'new' | 'escalation' | 'flapping'): void {
  const { plan, channel, alert, now } = told;
  const { severity } = alert.transition;
  const known: Known = { told: { severity, listed: false, ...(why === 'flapping' && { flapping: true as const }) } };
  alert.knows[channel.id] = known;
  known.steps = stepsTo(alert.escalation, channel.name);
  if (channel.policy.groupBy !== undefined && why === 'new') {
    const { key, labels } = groupOf(channel, alert.labels);
    known.told!.place = enqueue(plan, channel, alert, { key, kind: 'group', labels }, now);
    plan.fires(channel.id, key, idOf(alert));
    queued(told, why, key);
  } else if (alone(told, why)) {
    known.told!.listed = true;
    remind(known, told);
  } else {
    known.told!.place = enqueue(plan, channel, alert, { key: DIGEST, kind: 'digest' }, now);
    queued(told, 'digest', why);
  }
  plan.touch(alert);
}

/** In one message at the end of the channel's quiet hours. */
export function tellAfterQuiet(told: Told, dueAt: number): void {
  const { plan, channel, alert, now } = told;
  const place = enqueue(plan, channel, alert, { key: QUIET, kind: 'digest', dueAt }, now);
  alert.knows[channel.id] = { told: { severity: alert.transition.severity, listed: false, place } };
  queued(told, 'quiet-hours');
  plan.touch(alert);
}

/** Something more of what the channel knows to be firing. */
export function tellMore(told: Told, known: Known, why: 'severity' | 'repeat' | 'escalation'): void {
  const { plan, channel, alert, now } = told;
  known.told!.severity = alert.transition.severity;
  known.steps = stepsTo(alert.escalation, channel.name);
  delete known.held;
  if (why === 'repeat') known.repeats = (known.repeats ?? 0) + 1;
  const queue = plan.queue(channel.id, known.told!.place?.queue ?? '');
  if (queue?.kind === 'group' && why === 'severity') {
    const { key, kind, labels } = queue;
    known.update = { why, place: enqueue(plan, channel, alert, { key, kind, labels }, now) };
    queued(told, why, key);
  } else if (alone(told, why, suffixOf(why, known))) {
    known.told!.listed = true;
  } else {
    known.update = { why, place: enqueue(plan, channel, alert, { key: DIGEST, kind: 'digest' }, now) };
    queued(told, 'digest', why);
  }
  remind(known, told);
  plan.touch(alert);
}

/** That it is over. It goes the way on which it was told to fire; named, if it was. */
export function tellEnd(told: Told, known: Known): void {
  const { plan, channel, alert, now } = told;
  const { place, listed } = known.told!;
  const queue = plan.queue(channel.id, place?.queue ?? '');
  delete known.held;
  delete known.repeatAt;
  if (queue?.kind === 'group') {
    const { key, kind, labels } = queue;
    const atOnce = channel.policy.groupBy === undefined ? { dueAt: now } : {};
    known.end = enqueue(plan, channel, alert, { key, kind, labels, isListed: listed, ...atOnce }, now);
    queued(told, 'resolved', key);
  } else if (listed && alone(told, 'resolved')) {
    delete alert.knows[channel.id];
  } else {
    known.end = enqueue(plan, channel, alert, { key: DIGEST, kind: 'digest', isListed: listed }, now);
    queued(told, 'digest', 'resolved');
  }
  plan.touch(alert);
}

/** @returns whether there was room for it */
function alone({ plan, channel, alert, now }: Told, why: MessageReason, suffix = ''): boolean {
  const { id, name, policy } = channel;
  const state = plan.channel(id);
  if (roomAt(state.sentAt, policy.rate, now, 1) > now) return false;
  const { transition, origin, labels } = alert;
  const message = aloneMessage(messageAlert(transition, origin, labels), id, why, now);
  message.id += suffix;
  state.count += 1;
  state.sentAt = withSent(state.sentAt, policy.rate, now);
  plan.changed.channels.add(id);
  plan.changed.messages.push({ message, order: state.count });
  note(alert, { at: now, channel: name, what: 'told', why, message: message.id });
  return true;
}

/** Of one transition there may be several messages. */
function suffixOf(why: MessageReason, known: Known): string {
  if (why === 'repeat') return `-r${known.repeats}`;
  return why === 'escalation' ? `-e${known.steps}` : '';
}

function remind(known: Known, { channel, now }: Told): void {
  const { repeat, groupBy } = channel.policy;
  if (repeat !== undefined && groupBy === undefined) known.repeatAt = now + repeat;
}

function queued({ channel, alert, now }: Told, why: MessageReason | 'quiet-hours', detail?: string): void {
  const entry = { at: now, channel: channel.name, what: 'queued' as const, why };
  note(alert, detail === undefined ? entry : { ...entry, detail });
}
