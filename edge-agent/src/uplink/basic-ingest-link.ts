import { basicIngestTopic, parseUplinkTopic } from '@weir/protocols';
import type { OpenLink } from './link.ts';

/**
 * A link over which telemetry goes to a rule and to nobody else, which AWS does not charge for as messages.
 * @see AWS IoT developer guide, "Reducing messaging costs with Basic Ingest"
 */
export function basicIngestLink(openLink: OpenLink, rule: string): OpenLink {
  return (subscriptions, events) => {
    const link = openLink(subscriptions, events);
    const publish: typeof link.publish = (topic, payload) =>
      link.publish(parseUplinkTopic(topic) === undefined ? topic : basicIngestTopic(rule, topic), payload);
    const { wireBytes } = link;
    return {
      publish,
      ...(wireBytes !== undefined && { wireBytes: () => wireBytes.call(link) }),
      close: () => link.close(),
    };
  };
}
