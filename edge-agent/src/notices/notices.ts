/**
 * Who is told of alerts by the device itself, with a hub or without: a webhook in its own network, and subscribers of its own broker.
 *
 *     step -> [ commit: state, alerts, notices ] -> waiting -> attempt … attempt -> gone, or given up at a bound
 *
 * At least once, under one idempotency key. What was told as firing is told as over; what never was, is not. Each channel goes its own
 * way; of an episode each notice waits for the one before it.
 */
import type { AlertTransition } from '@weir/protocols';

/** As the configuration has it. */
export type NoticeChannel =
  | {
      name: string;
      kind: 'webhook';
      url: string;
      headers: Readonly<Record<string, string>>;
      minSeverity: AlertTransition['severity'];
    }
  | { name: string; kind: 'mqtt'; topic: string; minSeverity: AlertTransition['severity'] };

/** One transition, to be told by one channel. */
export interface Notice {
  id: number;
  channel: string;
  /** ms since epoch */
  createdAt: number;
  transition: AlertTransition;
}

/** What a topic says, for who subscribes later. */
export interface TopicState {
  topic: string;
  payload: string;
}

const GAPS: Readonly<Record<string, (transition: AlertTransition) => string | undefined>> = {
  rule: ({ source }) => source.name,
  device: ({ device }) => device,
  sensor: ({ sensor }) => sensor,
  metric: ({ metric }) => metric,
  severity: ({ severity }) => severity,
  episode: ({ episode }) => episode,
};

/** @returns what is wrong with it; undefined: nothing */
export function topicFault(topic: string): string | undefined {
  if (/[#+]/.test(topic) || topic.includes('\0') || topic.startsWith('$'))
    return 'a topic has no # and +, and does not begin with $';
  const unknown = [...topic.matchAll(/\{([^}]*)\}/g)].find(([, name]) => GAPS[name!] === undefined);
  return unknown && `${unknown[0]} is none of {${Object.keys(GAPS).join('}, {')}}`;
}

export function topicFor(topic: string, transition: AlertTransition): string {
  return topic.replace(/\{([^}]*)\}/g, (_, name: string) => (GAPS[name]?.(transition) ?? '-').replace(/[/+#]/g, '_'));
}

/** What subscribers of the local broker get, and its retained state. */
export function topicPayload(transition: AlertTransition): string {
  const { state, ...rest } = transition;
  return JSON.stringify({
    id: `${transition.episode}-${transition.seq}`,
    status: state === 'resolved' ? 'resolved' : 'firing',
    state,
    ...rest,
  });
}

const RANKS = ['info', 'warning', 'critical'];

export function isWanted({ minSeverity }: Pick<NoticeChannel, 'minSeverity'>, { severity }: AlertTransition): boolean {
  return RANKS.indexOf(severity) >= RANKS.indexOf(minSeverity);
}
