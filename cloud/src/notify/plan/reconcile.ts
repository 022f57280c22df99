/**
 * Brings what a channel knows of an alert in line with how things stand: one function for whatever has happened. What was told as
 * firing is told as ended, whatever holds other messages back.
 */
import { escalate, escalationOf, stepAt, stepsTo } from './escalation.ts';
import { calmAt, isFlapping, subjectOf } from './flapping.ts';
import { alertHold, channelHold, holdsChangeAt } from './holds.ts';
import { note } from './log.ts';
import { idOf, type Plan } from './plan.ts';
import { dequeue, enqueue, HISTORICAL, QUIET } from './queues.ts';
import { channelsOf, type Routed, routed } from './routes.ts';
import type { Hold, Known, PlanChannel, PlannedAlert } from './state.ts';
import { tellAfterQuiet, tellEnd, tellMore, tellNew } from './tell.ts';

interface Looked {
  plan: Plan;
  alert: PlannedAlert;
  now: number;
  hold: Hold | undefined;
  /** Channels that the routes name. */
  names: ReadonlySet<string> | undefined;
}

/** @param channels ids of those to look at; absent: all */
export function reconcile(plan: Plan, episode: string, now: number, channels?: readonly string[]): void {
  const alert = plan.alerts.get(episode);
  if (alert === undefined) return;
  if (alert.settlingSince !== undefined && alertHold(plan, alert, now)?.by !== 'settling') {
    delete alert.settlingSince;
    plan.touch(alert);
  }
  const hold = alert.isOver ? undefined : alertHold(plan, alert, now);
  const isClimbing = climb(plan, alert, hold, now);
  const names = alert.isOver ? undefined : channelsOf(plan.settings.policy, alert.labels);
  for (const id of channels ?? channelsToLookAt(plan, alert)) look({ plan, alert, now, hold, names }, id);
  if (alert.isOver && Object.keys(alert.knows).length === 0) plan.remove(alert);
  // Those that the escalation names are more to look at.
  else plan.timers.set(`alert/${episode}`, isClimbing ? now : dueAt(plan, alert, hold, now));
}

/** In an order that stays the same. */
export function channelsToLookAt({ settings }: Plan, { knows, isOver, channels, escalation }: PlannedAlert): string[] {
  const known = Object.keys(knows);
  if (isOver) return known.sort();
  const named = new Set(escalation?.taken.flat());
  const climbed = [...settings.channels.values()].filter(({ name }) => named.has(name)).map(({ id }) => id);
  return [...new Set([...channels, ...climbed, ...known])].sort();
}

/** @returns whether it takes a step */
function climb(plan: Plan, alert: PlannedAlert, hold: Hold | undefined, now: number): boolean {
  const before = alert.escalation;
  const next = escalate(before, escalationOf(plan.settings.policy, alert), !alert.isOver && hold === undefined, now);
  if (next === before || next === undefined) return false;
  alert.escalation = next;
  plan.touch(alert);
  return next.taken.length > (before?.taken.length ?? 0);
}

function look(looked: Looked, id: string): void {
  const { plan, alert, now } = looked;
  const channel = plan.settings.channels.get(id);
  const known = alert.knows[id];
  if (channel === undefined) {
    if (known === undefined) return;
    for (const place of [known.told?.place, known.update?.place, known.end]) {
      if (place !== undefined) dequeue(plan, id, alert, place);
    }
    delete alert.knows[id];
    note(alert, { at: now, what: 'dropped', why: 'channel-gone', detail: id });
    plan.touch(alert);
    return;
  }
  if (alert.isOver) {
    if (known !== undefined) end(looked, channel, known);
  } else if (known?.told !== undefined) goOn(looked, channel, known);
  else begin(looked, channel, known);
}

function begin(looked: Looked, channel: PlanChannel, known: Known | undefined): void {
  const { plan, alert, now, hold: ofAll, names } = looked;
  const steps = stepsTo(alert.escalation, channel.name);
  const route = steps > 0 ? ({ told: true } as const) : routed(names, channel, alert.labels);
  if (channel.isDisabled || !route.told) {
    leaveOut(looked, channel, known, route);
    return;
  }
  const hold = ofAll ?? channelHold(plan, alert, channel, known, now);
  if (hold?.by === 'quiet-hours' && hold.until !== undefined && channel.policy.quietHours?.digest) {
    tellAfterQuiet({ plan, channel, alert, now }, hold.until);
  } else if (hold !== undefined) holdBack(looked, channel, known ?? {}, hold);
  else tellNew({ plan, channel, alert, now }, steps > 0 ? 'escalation' : whyNew(looked, channel));
}

function leaveOut(
  { plan, alert, now }: Looked,
  { id, name }: PlanChannel,
  known: Known | undefined,
  route: Routed,
): void {
  const { why, detail } = route.told ? ({ why: 'disabled', detail: 'its receiver wants nothing' } as const) : route;
  const isNews = note(alert, { at: now, channel: name, what: 'not-routed', why, detail });
  if (known !== undefined) delete alert.knows[id];
  if (isNews || known !== undefined) plan.touch(alert);
}

/** Of something that flaps a channel is told once, by the alert that is there then. */
function whyNew({ plan, alert, now }: Looked, { id }: PlanChannel): 'new' | 'flapping' {
  const subject = subjectOf(alert.transition);
  const flaps = plan.flaps.get(subject);
  if (!isFlapping(flaps, plan.settings.policy.flapping, now)) return 'new';
  flaps!.told.push(id);
  plan.changed.flaps.add(subject);
  return 'flapping';
}

function goOn(looked: Looked, channel: PlanChannel, known: Known): void {
  const { plan, alert, now, hold: ofAll } = looked;
  const told = known.told!;
  const hold = ofAll ?? channelHold(plan, alert, channel, known, now);
  if (told.place !== undefined && plan.isOpen(channel.id, told.place)) {
    waitOn(looked, channel, known, hold);
    return;
  }
  if (known.update !== undefined && !plan.isOpen(channel.id, known.update.place)) {
    delete known.update;
    plan.touch(alert);
  }
  const why = channel.isDisabled ? undefined : moreOf(looked, channel, known);
  if (why === undefined) {
    if (known.held !== undefined) {
      delete known.held;
      plan.touch(alert);
    }
  } else if (hold !== undefined) holdBack(looked, channel, known, hold);
  else if (known.update === undefined) tellMore({ plan, channel, alert, now }, known, why);
}

function moreOf(
  { alert, now }: Looked,
  channel: PlanChannel,
  known: Known,
): 'severity' | 'escalation' | 'repeat' | undefined {
  if (known.told!.severity !== alert.transition.severity) return 'severity';
  if (stepsTo(alert.escalation, channel.name) > (known.steps ?? 0)) return 'escalation';
  return known.repeatAt !== undefined && known.repeatAt <= now ? 'repeat' : undefined;
}

/** It is in a message that has not gone yet. */
function waitOn(looked: Looked, channel: PlanChannel, known: Known, hold: Hold | undefined): void {
  const { plan, alert, now } = looked;
  const { place, severity } = known.told!;
  const isQuiet = place!.queue === QUIET;
  if (hold === undefined ? isQuiet && alert.transition.severity === 'critical' : hold.by !== 'quiet-hours') {
    dequeue(plan, channel.id, alert, place!);
    delete known.told;
    plan.touch(alert);
    if (hold === undefined) tellNew({ plan, channel, alert, now }, 'new');
    else holdBack(looked, channel, known, hold);
  } else if (severity !== alert.transition.severity) {
    known.told!.severity = alert.transition.severity;
    plan.touch(alert);
  }
}

function holdBack({ plan, alert, now }: Looked, channel: PlanChannel, known: Known, hold: Hold): void {
  alert.knows[channel.id] = known;
  const { held } = known;
  if (held?.by === hold.by && held.detail === hold.detail && held.until === hold.until) return;
  known.held = hold;
  if (held?.by !== hold.by) plan.heldBack(hold.by);
  note(alert, {
    ...{ at: now, channel: channel.name, what: 'held' as const, why: hold.by },
    ...(hold.detail !== undefined && { detail: hold.detail }),
  });
  plan.touch(alert);
}

function end(looked: Looked, channel: PlanChannel, known: Known): void {
  const { plan, alert, now } = looked;
  const { told, held } = known;
  if (known.end !== undefined) {
    // That it was told is known by its queue: with many channels this is not worth a write for each.
    if (!plan.isOpen(channel.id, known.end)) delete alert.knows[channel.id];
    return;
  }
  if (told === undefined) {
    neverTold(looked, channel, held);
    return;
  }
  if (told.place !== undefined && plan.isOpen(channel.id, told.place)) {
    if (plan.queue(channel.id, told.place.queue)!.kind === 'group') {
      dequeue(plan, channel.id, alert, told.place);
      forget(looked, channel, 'new');
    } else {
      // A digest counts what began and is over, too.
      known.end = told.place;
      plan.touch(alert);
    }
    return;
  }
  if (known.update !== undefined) {
    dequeueUpdate(plan, channel.id, alert, known);
  }
  if (!channel.policy.sendResolved) {
    note(alert, { at: now, channel: channel.name, what: 'dropped', why: 'ends-not-wanted' });
    forget(looked, channel);
    return;
  }
  const { flapping } = plan.settings.policy;
  const flaps = plan.flaps.get(subjectOf(alert.transition));
  if (told.flapping && isFlapping(flaps, flapping, now)) {
    holdBack(looked, channel, known, { by: 'flapping', until: calmAt(flaps!, flapping!) });
  } else tellEnd({ plan, channel, alert, now }, known);
}

/** The group's set of what fires is of its own. */
function dequeueUpdate(plan: Plan, channel: string, alert: PlannedAlert, known: Known): void {
  plan.unwait(channel, known.update!.place, idOf(alert));
  delete known.update;
  plan.touch(alert);
}

/** It was over before the channel could be told. */
function neverTold(looked: Looked, channel: PlanChannel, held: Hold | undefined): void {
  const { plan, alert, now } = looked;
  const isLate = held?.by === 'settling' || held?.by === 'historical';
  if (isLate && channel.policy.sendResolved && !channel.isDisabled) {
    const place = enqueue(plan, channel, alert, { key: HISTORICAL, kind: 'historical' }, now);
    alert.knows[channel.id] = { end: place };
    note(alert, { at: now, channel: channel.name, what: 'queued', why: 'historical' });
    plan.touch(alert);
  } else forget(looked, channel, held?.by ?? 'new');
}

function forget({ plan, alert, now }: Looked, { id, name }: PlanChannel, neverTold?: Hold['by'] | 'new'): void {
  const place = alert.knows[id]?.told?.place;
  if (place !== undefined) plan.firesNoMore(id, place.queue, idOf(alert));
  delete alert.knows[id];
  if (neverTold !== undefined) note(alert, { at: now, channel: name, what: 'never-told', why: neverTold });
  plan.touch(alert);
}

/** When to look at it again though nothing happens. */
function dueAt(plan: Plan, alert: PlannedAlert, hold: Hold | undefined, now: number): number | undefined {
  const times: number[] = [];
  for (const { held, repeatAt, end } of Object.values(alert.knows)) {
    if (held?.until !== undefined) times.push(held.until);
    else if (repeatAt !== undefined && held === undefined && end === undefined) times.push(repeatAt);
  }
  const rule = alert.isOver ? undefined : escalationOf(plan.settings.policy, alert);
  const step = stepAt(alert.escalation, rule);
  if (step !== undefined) times.push(step, holdsChangeAt(plan, alert, now));
  // Its clock goes on when nothing holds it back any more.
  else if (rule !== undefined && hold?.until !== undefined) times.push(hold.until);
  const first = Math.min(...times, Number.POSITIVE_INFINITY);
  return first === Number.POSITIVE_INFINITY ? undefined : Math.max(first, now + 1);
}
