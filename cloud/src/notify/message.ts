/**
 * What a channel has to deliver, whatever its kind: one alert, a group of them, or a digest that stands for many. The plan makes it
 * (`plan/README.md`), the kinds of channels put it into words.
 */
import { createHash } from 'node:crypto';
import { type AlertTransition, transitionKey } from '@weir/protocols';
import type { Origin } from '../api/events.ts';
import { type Labels, shared } from './labels.ts';

/**
 * Why it is sent.
 *
 *     new         told for the first time that it fires
 *     severity    what was told before is more, or less, severe now
 *     resolved    what was told before is over
 *     repeat      still firing, as the channel's policy asks to be reminded
 *     escalation  still firing, and nobody has acknowledged it
 *     flapping    begins and ends again and again: told this once, then nothing until it has calmed down
 *     digest      more than the channel may get, or what was held back over its quiet hours
 *     acknowledged  somebody looks after it; to receivers that keep incidents
 *     historical  was over before anybody could be told
 *     test        somebody tries the channel
 */
export const MESSAGE_REASONS = [
  'new',
  'severity',
  'resolved',
  'repeat',
  'escalation',
  'flapping',
  'digest',
  'acknowledged',
  'historical',
  'test',
] as const;
export type MessageReason = (typeof MESSAGE_REASONS)[number];

export interface AlertMessage {
  /** Idempotency key: the same over all attempts, and after any crash. */
  id: string;
  /** Id of the channel. */
  channel: string;
  kind: 'alerts' | 'digest' | 'test';
  why: MessageReason;
  /** `firing` as long as anything in it is. */
  status: 'firing' | 'resolved';
  /** Of all messages that speak of the same; of an alert that is told alone, its episode. */
  groupKey: string;
  groupLabels: Record<string, string>;
  commonLabels: Record<string, string>;
  commonAnnotations: Record<string, string>;
  /** The most severe first. */
  alerts: MessageAlert[];
  /** What it stands for and does not list. */
  leftOut: number;
  /** What it stands for, listed or not. */
  counts: { firing: number; resolved: number };
  /** ms since epoch. */
  createdAt: number;
  /** Of those listed. A message that names one waits for those before it that do. */
  episodes: string[];
}

export interface MessageAlert {
  episode: string;
  seq: number;
  status: 'firing' | 'resolved';
  severity: AlertTransition['severity'];
  labels: Labels;
  annotations: Record<string, string>;
  /** ms since epoch, event time. */
  startsAt: number;
  endsAt?: number;
  value?: AlertTransition['value'];
  unit?: string;
  level?: number;
  peak?: number;
  url?: string;
  /** Of its labels but for the severity, so that it stays the same as the alert goes up and down the ladder. */
  fingerprint: string;
  transition: AlertTransition;
  origin: Origin;
}

/** @param labels of the alert, as `alertLabels` gives them */
export function messageAlert(transition: AlertTransition, origin: Origin, labels: Labels): MessageAlert {
  const { episode, seq, severity, summary, description, runbook, value, unit, level, peak } = transition;
  const isOver = transition.state === 'resolved';
  return {
    episode,
    seq,
    status: isOver ? 'resolved' : 'firing',
    severity,
    labels,
    annotations: {
      summary,
      ...(description !== undefined && { description }),
      ...(runbook !== undefined && { runbook }),
    },
    startsAt: transition.startedAt,
    ...(isOver && { endsAt: transition.ts }),
    ...(value !== undefined && { value }),
    ...(unit !== undefined && { unit }),
    ...(level !== undefined && { level }),
    ...(peak !== undefined && { peak }),
    fingerprint: fingerprintOf(labels),
    transition,
    origin,
  };
}

/** One alert that is told alone, as all are where nothing else is configured. */
export function aloneMessage(
  alert: MessageAlert,
  channel: string,
  why: MessageReason,
  createdAt: number,
): AlertMessage {
  const { alertname, device, sensor, metric } = alert.labels;
  const { episode } = alert;
  return messageOf([alert], {
    id: transitionKey(alert),
    ...{ channel, kind: 'alerts', why, groupKey: episode, createdAt, leftOut: 0 },
    groupLabels: JSON.parse(JSON.stringify({ alertname, device, sensor, metric })) as Record<string, string>,
  });
}

type Envelope = Pick<
  AlertMessage,
  'id' | 'channel' | 'kind' | 'why' | 'groupKey' | 'groupLabels' | 'leftOut' | 'createdAt'
> & { counts?: AlertMessage['counts'] };

/** @param alerts those listed */
export function messageOf(alerts: MessageAlert[], { counts, ...envelope }: Envelope): AlertMessage {
  const listed = { firing: 0, resolved: 0 };
  for (const { status } of alerts) listed[status] += 1;
  const all = counts ?? listed;
  return {
    ...envelope,
    status: all.firing > 0 ? 'firing' : 'resolved',
    commonLabels: shared(alerts.map(({ labels }) => labels)),
    commonAnnotations: shared(alerts.map(({ annotations }) => annotations)),
    alerts,
    counts: all,
    episodes: [...new Set(alerts.map(({ episode }) => episode))],
  };
}

const FINGERPRINT_CHARS = 16;

function fingerprintOf({ severity: _, ...labels }: Labels): string {
  const text = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(text).digest('hex').slice(0, FINGERPRINT_CHARS);
}
