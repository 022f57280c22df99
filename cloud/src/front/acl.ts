/** What a device may do on the front: speak as itself, about itself. Anything else is refused. */
import {
  commandTopic,
  isShadowVerb,
  type Lane,
  paceTopic,
  parseBasicIngest,
  parseShadowTopic,
  parseUplinkTopic,
  type ShadowVerb,
  shadowPrefix,
} from '@weir/protocols';
import { LIFECYCLE_KINDS, lifecycleTopic } from './lifecycle.ts';

export type Permission =
  | { kind: 'uplink'; lane: Lane }
  | { kind: 'shadow'; name: string | undefined; verb: ShadowVerb }
  | { kind: 'refused'; why: string };

export interface PublishRequest {
  topic: string;
  qos: number;
  retain: boolean;
}

/** The rule to which devices may publish what they send up, as an installation at AWS would call it. */
const INGEST_RULE = 'weir';

export function mayPublish(
  device: string,
  { topic, qos, retain }: PublishRequest,
  ingestRule: string = INGEST_RULE,
): Permission {
  // AWS IoT Core has no QoS 2 either, and what a hub retains for a device is its shadow.
  if (qos > 1) return { kind: 'refused', why: 'QoS 2 is not spoken here' };
  if (retain) return { kind: 'refused', why: 'retained messages are not taken' };
  const ingest = parseBasicIngest(topic);
  const uplink = parseUplinkTopic(ingest?.rule === ingestRule ? ingest.topic : topic);
  if (uplink?.device === device) return { kind: 'uplink', lane: uplink.lane };
  const shadow = parseShadowTopic(topic);
  if (shadow?.device === device && isShadowVerb(shadow.suffix)) {
    return { kind: 'shadow', name: shadow.name, verb: shadow.suffix };
  }
  return { kind: 'refused', why: `${device} may not publish to ${topic.slice(0, 256)}` };
}

/** What is for the device by its name, what is told of its connection, and any filter that lies wholly within its own shadows. */
export function maySubscribe(device: string, filter: string): boolean {
  return (
    filter === commandTopic(device) ||
    filter === paceTopic(device) ||
    filter.startsWith(`${shadowPrefix(device)}/`) ||
    LIFECYCLE_KINDS.some((kind) => filter === lifecycleTopic(kind, device))
  );
}
