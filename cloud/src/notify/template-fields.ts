/** What a template may say of a message. The table in docs/operations/alerts.md has them all; a test compares. */
import type { AlertMessage, MessageAlert } from './message.ts';
import { spanOf, wordsOf } from './words.ts';

export function templateFields(message: AlertMessage, channel: string) {
  const { id, kind, why, status, groupLabels, commonLabels, commonAnnotations, counts, leftOut, createdAt } = message;
  const words = wordsOf(message);
  const alerts = message.alerts.map((alert, at) => alertFields(alert, words.items[at]!.headline));
  return {
    id,
    channel,
    kind,
    why,
    status,
    isFiring: status === 'firing',
    isResolved: status === 'resolved',
    isTest: kind === 'test',
    title: words.title,
    severity: greatest(message.alerts),
    groupLabels,
    commonLabels,
    commonAnnotations,
    alerts,
    firing: alerts.filter(({ isFiring }) => isFiring),
    resolved: alerts.filter(({ isResolved }) => isResolved),
    counts,
    count: counts.firing + counts.resolved,
    leftOut,
    createdAt: new Date(createdAt).toISOString(),
  };
}

function alertFields(alert: MessageAlert, summary: string) {
  const { episode, seq, status, severity, labels, annotations, startsAt, endsAt, transition } = alert;
  return {
    episode,
    seq,
    status,
    isFiring: status === 'firing',
    isResolved: status === 'resolved',
    severity,
    rule: labels.alertname ?? transition.source.name,
    device: transition.device,
    sensor: transition.sensor,
    metric: transition.metric,
    reason: transition.reason,
    origin: alert.origin,
    summary,
    description: annotations.description ?? transition.description,
    runbook: annotations.runbook ?? transition.runbook,
    value: alert.value,
    unit: alert.unit,
    level: alert.level,
    peak: alert.peak,
    startsAt: new Date(startsAt).toISOString(),
    endsAt: endsAt === undefined ? undefined : new Date(endsAt).toISOString(),
    duration: endsAt === undefined ? undefined : spanOf(endsAt - startsAt),
    url: alert.url,
    fingerprint: alert.fingerprint,
    labels,
    annotations,
  };
}

const ORDER = ['info', 'warning', 'critical'] as const;

/** Of those that fire, else of all. */
export function greatest(alerts: readonly MessageAlert[]): MessageAlert['severity'] {
  const firing = alerts.filter(({ status }) => status === 'firing');
  const ranks = (firing.length > 0 ? firing : alerts).map(({ severity }) => ORDER.indexOf(severity));
  return ORDER[Math.max(0, ...ranks)]!;
}
