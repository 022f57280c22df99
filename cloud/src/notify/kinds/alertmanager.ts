/**
 * Alerts for an Alertmanager that is there already, as Prometheus would bring them.
 *
 * It takes for over what it is not told again: each alert says until when it is to be believed, four refreshes from now, and is
 * told again with each. An end is told again for five minutes. An alert is known by its labels there, so one whose severity
 * changes is another: that before it ends in the same request.
 */
import { z } from 'zod';
import { duration } from '../../config/units.ts';
import { labelsFingerprint, type PostableAlert, postableAlert } from './alertmanager-body.ts';
import { credential, headerText, httpUrl, JSON_HEADERS, shownUrl } from './http-settings.ts';
import { kind, type Parcel } from './kind.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** One that misses three of them is still believed. */
const BELIEVED_REFRESHES = 4;
/** As Prometheus sends at once. */
const ALERTS_PER_REQUEST = 64;

const settings = z.strictObject({
  /** Of the Alertmanager: its API is under it. */
  url: httpUrl,
  /** As long as that of Prometheus. */
  resend: duration(SECOND, 60 * MINUTE).default(MINUTE),
  user: credential.optional(),
  password: credential.optional(),
  token: headerText.optional(),
});

export type AlertmanagerSettings = z.output<typeof settings>;

export const alertmanager = kind<AlertmanagerSettings>({
  title: 'an Alertmanager that routes them on',
  settings: settings as unknown as z.ZodType<AlertmanagerSettings>,
  secrets: ['url', 'password', 'token'],
  where: ({ url }) => shownUrl(url),
  concurrency: 1,
  // It groups, and takes any number.
  rate: '1000/1s',
  refresh: {
    everyMs: ({ resend }) => resend,
    endedForMs: 5 * MINUTE,
    compose: (firing, ended, { settings: own, now }) =>
      posted(own, [
        ...firing.map((alert) => postableAlert(alert, believedUntil(own, now))),
        ...ended.map((alert) => postableAlert(alert, alert.endsAt ?? now)),
      ]),
  },
  compose(message, { settings: own, now, superseded = [] }) {
    const told = message.alerts.map((alert) => postableAlert(alert, alert.endsAt ?? believedUntil(own, now)));
    const tellAgain = new Set(told.map(({ labels }) => labelsFingerprint(labels)));
    const over = superseded.filter(({ labels }) => !tellAgain.has(labelsFingerprint(labels)));
    return posted(own, [...over.map((alert) => postableAlert(alert, endOf(alert.startsAt, now))), ...told]);
  },
});

/** Not ahead of the Alertmanager's clock: it would fire until then. */
function endOf(startsAt: number, now: number): number {
  return Math.max(startsAt, now - SECOND);
}

function believedUntil({ resend }: AlertmanagerSettings, now: number): number {
  return now + BELIEVED_REFRESHES * resend;
}

function posted({ url, user, password, token }: AlertmanagerSettings, alerts: readonly PostableAlert[]): Parcel[] {
  const base = new URL(url);
  base.pathname = `${base.pathname.replace(/\/+$/, '')}/api/v2/alerts`;
  const basic = Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64');
  const authorization = token !== undefined ? `Bearer ${token}` : user !== undefined ? `Basic ${basic}` : undefined;
  const headers = { ...JSON_HEADERS, ...(authorization !== undefined && { authorization }) };
  const parcels: Parcel[] = [];
  for (let at = 0; at < alerts.length; at += ALERTS_PER_REQUEST) {
    const body = JSON.stringify(alerts.slice(at, at + ALERTS_PER_REQUEST));
    parcels.push({ by: 'http', url: base.href, headers, body, isExplained: true });
  }
  return parcels;
}
