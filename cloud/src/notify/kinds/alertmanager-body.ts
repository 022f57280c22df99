/**
 * Alerts in Alertmanager's forms: the body of its webhooks, version 4, and of what its API is told.
 *
 * @see https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 * @see https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
 */
import type { AlertMessage, MessageAlert } from '../message.ts';
import { httpLink } from '../words.ts';

/** Go's zero time: it is not over. */
const NEVER = '0001-01-01T00:00:00Z';

/** Fields in the order in which Alertmanager writes them. */
/** @param receiver name of the channel */
export function alertmanagerBody(message: AlertMessage, receiver: string) {
  const { status, alerts, groupLabels, commonLabels, commonAnnotations, groupKey, leftOut } = message;
  return {
    receiver,
    status,
    alerts: alerts.map((alert) => ({
      status: alert.status,
      labels: alert.labels,
      annotations: annotationsOf(alert),
      startsAt: new Date(alert.startsAt).toISOString(),
      endsAt: alert.endsAt === undefined ? NEVER : new Date(alert.endsAt).toISOString(),
      generatorURL: httpLink(alert.url) ?? '',
      fingerprint: labelsFingerprint(alert.labels),
    })),
    groupLabels,
    commonLabels,
    commonAnnotations,
    externalURL: httpLink(alerts[0]?.url) ?? '',
    version: '4',
    groupKey,
    truncatedAlerts: leftOut,
  };
}

/** Those of the alert, and what it measured. */
function annotationsOf({ annotations, value, unit, level, peak, episode }: MessageAlert): Record<string, string> {
  const measured = { value, unit, level, peak, episode };
  const texts = Object.entries(measured).flatMap(([name, each]) => (each === undefined ? [] : [[name, String(each)]]));
  return { ...Object.fromEntries(texts), ...annotations };
}

export interface PostableAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
  generatorURL?: string;
}

/** @param endsAt ms since epoch: when it ended; of one that fires, until when it is to be believed */
export function postableAlert(alert: MessageAlert, endsAt: number): PostableAlert {
  const generatorURL = httpLink(alert.url);
  return {
    labels: alert.labels,
    annotations: annotationsOf(alert),
    startsAt: new Date(alert.startsAt).toISOString(),
    endsAt: new Date(Math.max(endsAt, alert.startsAt)).toISOString(),
    ...(generatorURL !== undefined && { generatorURL }),
  };
}

const FNV_OFFSET = 14_695_981_039_346_656_037n;
const FNV_PRIME = 1_099_511_628_211n;
const SEPARATOR = 255;

/** By which Alertmanager knows an alert. @see https://pkg.go.dev/github.com/prometheus/common/model#LabelSet.Fingerprint */
export function labelsFingerprint(labels: Readonly<Record<string, string>>): string {
  const encoder = new TextEncoder();
  const names = Object.keys(labels).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  let hash = FNV_OFFSET;
  const add = (byte: number) => {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  };
  for (const name of names) {
    for (const text of [name, labels[name]!]) {
      for (const byte of encoder.encode(text)) add(byte);
      add(SEPARATOR);
    }
  }
  return hash.toString(16).padStart(16, '0');
}
