/** Messages for tests. */
import type { AlertTransition } from '@weir/protocols';
import { transition } from '../api/control.fixture.ts';
import { alertLabels } from './labels.ts';
import { type AlertMessage, aloneMessage, type MessageAlert, messageAlert, messageOf } from './message.ts';

export const AT = 1_795_000_000_000;

export function alertOf(over: Partial<AlertTransition> = {}, more: Partial<MessageAlert> = {}): MessageAlert {
  const made: AlertTransition = {
    ...transition(),
    ...{ ts: AT, startedAt: AT - 90_000, level: 80, unit: 'Cel', runbook: 'https://wiki.example.com/oven' },
    ...over,
  };
  return { ...messageAlert(made, 'edge', alertLabels(made, 'edge')), ...more };
}

export const OVER = { seq: 2, state: 'resolved', reason: 'cleared', value: 70, ts: AT + 60_000 } as const;

export function sampleMessage(alerts: MessageAlert[] = [alertOf()], over: Partial<AlertMessage> = {}): AlertMessage {
  const [first, ...others] = alerts;
  if (first !== undefined && others.length === 0) {
    const why = first.status === 'firing' ? 'new' : 'resolved';
    return { ...aloneMessage(first, 'c0ffee', why, AT), ...over };
  }
  const envelope = { id: 'group-1', channel: 'c0ffee', kind: 'alerts', why: 'new', groupKey: '{}' } as const;
  return { ...messageOf(alerts, { ...envelope, groupLabels: {}, leftOut: 0, createdAt: AT }), ...over };
}

/** What a sensor may call itself, or a rule say, so that receivers show something else. */
export const EVIL =
  '<!channel> <@U123> @here @all **bold** [click](https://evil.example) <b onload="x()">&amp;</b> <https://evil.example|a> "},{"x":"\u001b[2J\r\nBcc: all@example.com';
