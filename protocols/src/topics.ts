/**
 * Names of topics between device and hub.
 *
 *     weir/1/<device>/<lane>                                   telemetry, device to hub, QoS 1
 *     weir/1/<device>/command                                  commands, hub to device, QoS 1
 *     weir/1/<device>/pace                                     how much of its backlog a device is to send, hub to device, QoS 0
 *     $aws/things/<device>/shadow[/name/<shadow>]/<verb>…      device shadow. @see AWS IoT developer guide, reserved topics
 *     $aws/rules/<rule>/<topic>                                Basic Ingest: the topic, for the rule alone
 */
import { isDeviceId } from './reading.ts';

/** In the order of their numbers in the hub's log: a new one goes to the end. */
export const LANES = ['alert', 'live', 'backfill', 'report'] as const;
export type Lane = (typeof LANES)[number];

/** Most urgent first. */
export const LANES_BY_URGENCY = ['alert', 'live', 'report', 'backfill'] as const satisfies readonly Lane[];

export function isLane(text: string): text is Lane {
  return (LANES as readonly string[]).includes(text);
}

export function uplinkTopic(device: string, lane: Lane): string {
  return `weir/1/${device}/${lane}`;
}

/** @returns undefined for any topic that is not an uplink topic. */
export function parseUplinkTopic(topic: string): { device: string; lane: Lane } | undefined {
  const [root, version, device, lane, ...rest] = topic.split('/');
  if (root !== 'weir' || version !== '1' || rest.length > 0) return undefined;
  if (device === undefined || lane === undefined || !isDeviceId(device) || !isLane(lane)) return undefined;
  return { device, lane };
}

/** To which the device subscribes. */
export function commandTopic(device: string): string {
  return `weir/1/${device}/command`;
}

/** To which the device subscribes. */
export function paceTopic(device: string): string {
  return `weir/1/${device}/pace`;
}

const SHADOW_NAME_PATTERN = /^[$a-zA-Z0-9:_-]{1,64}$/;

export function isShadowName(text: string): boolean {
  return SHADOW_NAME_PATTERN.test(text);
}

/** `name` undefined: the classic shadow. */
export function shadowPrefix(device: string, name?: string): string {
  const classic = `$aws/things/${device}/shadow`;
  return name === undefined ? classic : `${classic}/name/${name}`;
}

/** What is asked of a shadow: the answer comes on the same topic with `/accepted` or `/rejected`. */
export const SHADOW_VERBS = ['get', 'update', 'delete'] as const;
export type ShadowVerb = (typeof SHADOW_VERBS)[number];

export function isShadowVerb(suffix: string): suffix is ShadowVerb {
  return (SHADOW_VERBS as readonly string[]).includes(suffix);
}

export interface ShadowTopic {
  device: string;
  name?: string;
  /** What follows the prefix: `get`, `update/accepted`, … */
  suffix: string;
}

export function parseShadowTopic(topic: string): ShadowTopic | undefined {
  const parts = topic.split('/');
  if (parts[0] !== '$aws' || parts[1] !== 'things' || parts[3] !== 'shadow') return undefined;
  const device = parts[2]!;
  if (!isDeviceId(device)) return undefined;
  if (parts[4] !== 'name') return { device, suffix: parts.slice(4).join('/') };
  const name = parts[5];
  if (name === undefined || !isShadowName(name)) return undefined;
  return { device, name, suffix: parts.slice(6).join('/') };
}

/**
 * Basic Ingest: what follows the name of the rule is a topic of its own, whose message no other client gets.
 *
 * @returns undefined for any other topic
 * @see AWS IoT developer guide, "Reducing messaging costs with Basic Ingest"
 */
export function parseBasicIngest(topic: string): { rule: string; topic: string } | undefined {
  const match = /^\$aws\/rules\/([a-zA-Z0-9_]{1,128})\/(.+)$/s.exec(topic);
  return match === null ? undefined : { rule: match[1]!, topic: match[2]! };
}

export function basicIngestTopic(rule: string, topic: string): string {
  return `$aws/rules/${rule}/${topic}`;
}

/** The named shadow that carries deployments. */
export const WEIR_SHADOW = 'weir';

/**
 * MQTT topic filter match. A leading wildcard never matches a topic that starts with `$`.
 * @see MQTT 3.1.1 section 4.7.2 [MQTT-4.7.2-1]
 */
export function topicMatches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === '#') return true;
    if (i >= levels.length || (wanted[i] !== '+' && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
