/** Receivers that keep incidents of their own are told that somebody looks after one: they stop calling people by themselves. */
import { aloneMessage, messageAlert } from '../message.ts';
import type { Plan } from './plan.ts';
import type { PlannedAlert } from './state.ts';

/** To those that have been told that it fires. @param at ms since epoch: of one acknowledgement there is one message */
export function tellAcknowledged(plan: Plan, alert: PlannedAlert, at: number): void {
  const { transition, origin, labels, knows } = alert;
  for (const { id, hearsAcks, isDisabled } of plan.settings.channels.values()) {
    const place = knows[id]?.told?.place;
    if (!hearsAcks || isDisabled || knows[id]?.told === undefined) continue;
    if (place !== undefined && plan.isOpen(id, place)) continue;
    const state = plan.channel(id);
    state.count += 1;
    const alone = aloneMessage(messageAlert(transition, origin, labels), id, 'acknowledged', at);
    plan.changed.messages.push({ message: { ...alone, id: `${transition.episode}-ack-${at}` }, order: state.count });
    plan.changed.channels.add(id);
  }
}
