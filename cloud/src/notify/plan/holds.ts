/** What holds a notification back. The order is that in which people are told why. */
import { changesAt, inTimes, type WeekTimes } from '@weir/protocols';

import { isFlapping, subjectOf } from './flapping.ts';
import { matchesAny } from './inhibition.ts';
import { matches } from './matchers.ts';
import { idOf, type Plan } from './plan.ts';
import { rankOf } from './severity.ts';
import { isActive } from './silence.ts';
import type { Hold, Known, PlanChannel, PlannedAlert } from './state.ts';

/** A device may come back without a word of it. */
const AWAY_MS = 60_000;

/** From all channels. */
export function alertHold(plan: Plan, alert: PlannedAlert, now: number): Hold | undefined {
  const { transition, labels } = alert;
  if (transition.dryRun) return { by: 'dry-run' };
  if (transition.historical) return { by: 'historical' };
  const settledAt = settlesAt(plan, alert, now);
  if (settledAt !== undefined) return { by: 'settling', until: settledAt };
  if (isAcknowledged(alert))
    return { by: 'acknowledged', ...(alert.ack!.by !== undefined && { detail: alert.ack!.by }) };
  if ((alert.shelvedUntil ?? 0) > now) return { by: 'shelved', until: alert.shelvedUntil! };
  if ((transition.mutedUntil ?? 0) > now) return { by: 'maintenance', until: transition.mutedUntil! };
  const silence = plan.settings.silences.find((each) => isActive(each, now) && matches(each.matchers, labels));
  if (silence !== undefined) return { by: 'silence', detail: silence.id, until: silence.endsAt };
  return ofOthers(plan, alert, now) ?? ofTimes(plan, alert, now);
}

function ofOthers({ settings, inhibitions }: Plan, alert: PlannedAlert, now: number): Hold | undefined {
  const { transition, origin, labels } = alert;
  const { policy, isAway } = settings;
  if (origin === 'cloud' && !isOfHub(alert) && !policy.inhibitNot.includes('device-offline')) {
    if (isAway(transition.device)) return { by: 'device-offline', detail: transition.device, until: now + AWAY_MS };
  }
  const found = inhibitions.inhibitorOf(idOf(alert), labels);
  return found === undefined ? undefined : { by: 'inhibition', detail: `${found.rule}: ${found.by}` };
}

/** What the hub says of a device's being there is not to be kept back because it is not. */
function isOfHub({ transition }: PlannedAlert): boolean {
  return transition.source.name.startsWith('weir.');
}

function ofTimes({ settings }: Plan, { labels }: PlannedAlert, now: number): Hold | undefined {
  const zone = settings.zoneOf(labels);
  for (const { name, match, times } of settings.policy.mute) {
    if (matchesAny(match, labels) && inTimes([times], now, zone)) {
      return { by: 'mute-time', detail: name, ...untilOf(nextChange([times], now, zone)) };
    }
  }
  return undefined;
}

/** Also when something holds it back, or no longer does, without anything happening. */
export function holdsChangeAt({ settings }: Plan, { labels }: PlannedAlert, now: number): number {
  const zone = settings.zoneOf(labels);
  const mutes = settings.policy.mute.filter(({ match }) => matchesAny(match, labels));
  const begins = settings.silences.filter(({ startsAt, matchers }) => startsAt > now && matches(matchers, labels));
  const times = [
    ...mutes.map(({ times }) => nextChange([times], now, zone)),
    ...begins.map(({ startsAt }) => startsAt),
  ];
  return Math.min(...times, Number.POSITIVE_INFINITY);
}

/** Of one channel. */
export function channelHold(
  plan: Plan,
  alert: PlannedAlert,
  { id, policy }: PlanChannel,
  known: Known | undefined,
  now: number,
): Hold | undefined {
  const flaps = plan.flaps.get(subjectOf(alert.transition));
  // The one that was told as flapping stands for all that come until it has calmed down.
  if (isFlapping(flaps, plan.settings.policy.flapping, now) && flaps!.told.includes(id) && !known?.told) {
    return { by: 'flapping' };
  }
  const { quietHours } = policy;
  if (quietHours === undefined || alert.transition.severity === 'critical') return undefined;
  if (!inTimes([quietHours], now)) return undefined;
  return { by: 'quiet-hours', ...untilOf(nextChange([quietHours], now)) };
}

/** Of times without an end there is none. */
function untilOf(at: number): { until?: number } {
  return at === Number.POSITIVE_INFINITY ? {} : { until: at };
}

function nextChange(times: WeekTimes[], now: number, zone?: string): number {
  return Math.max(now + 1, changesAt(times, now, zone));
}

/** When one that came late has waited for long enough for what may be right behind it. */
function settlesAt(plan: Plan, { settlingSince, transition }: PlannedAlert, now: number): number | undefined {
  if (settlingSince === undefined || settlingSince > now) return undefined;
  const { quiet, longest } = plan.settings.policy.settle;
  const heardAt = plan.heardAt.get(transition.device) ?? settlingSince;
  const at = Math.min(heardAt + quiet, settlingSince + longest);
  return at > now ? at : undefined;
}

/** Somebody knows of it, at least as severe as it is. */
export function isAcknowledged({ ack, transition }: PlannedAlert): boolean {
  return ack !== undefined && rankOf(ack.severity) >= rankOf(transition.severity);
}
