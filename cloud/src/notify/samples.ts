/** What `weir channel test` sends: an alert that fires, and its end. */
import type { AlertTransition } from '@weir/protocols';
import { alertLabels } from './labels.ts';
import { type AlertMessage, aloneMessage, messageAlert } from './message.ts';

const FOR_MS = 90_000;

/** @param word makes the episode one that no other test has */
export function sampleMessages(
  channel: { id: string; name: string },
  word: string,
  now: number,
): [AlertMessage, AlertMessage] {
  const firing: AlertTransition = {
    ...{ episode: `test${word}`, seq: 1, state: 'firing', reason: 'threshold', severity: 'warning' },
    source: { kind: 'rule', name: 'weir-test', version: '1' },
    ...{ device: 'test-device', sensor: 'test-sensor', metric: 'temperature' },
    ...{ ts: now, startedAt: now - FOR_MS, value: 81.5, level: 80, peak: 81.5, unit: 'Cel' },
    summary: `a test of the channel ${channel.name}: test-sensor temperature 81.5 is over 80`,
  };
  const resolved: AlertTransition = {
    ...firing,
    ...{ seq: 2, state: 'resolved', reason: 'cleared', value: 74, ts: now + 1 },
    summary: `a test of the channel ${channel.name}: test-sensor temperature 74 is under 75`,
  };
  const messageFor = (transition: AlertTransition) => {
    const alert = messageAlert(transition, 'cloud', alertLabels(transition, 'cloud'));
    return { ...aloneMessage(alert, channel.id, 'test', now), kind: 'test' as const };
  };
  return [messageFor(firing), messageFor(resolved)];
}
