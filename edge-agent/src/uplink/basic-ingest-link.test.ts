import { expect, test } from 'vitest';
import { basicIngestLink } from './basic-ingest-link.ts';

test('telemetry goes to the rule, everything else where it went', async () => {
  const topics: string[] = [];
  const publish = async (topic: string) => void topics.push(topic);
  const events = { onOpen() {}, onMessage() {}, onClosed() {} };
  const link = basicIngestLink(() => ({ publish, close() {}, wireBytes: () => 7 }), 'weir_in')([], events);
  for (const topic of ['weir/1/gw1/live', 'weir/1/gw1/report', '$aws/things/gw1/shadow/name/weir/get']) {
    await link.publish(topic, new Uint8Array());
  }
  expect(topics).toEqual([
    '$aws/rules/weir_in/weir/1/gw1/live',
    '$aws/rules/weir_in/weir/1/gw1/report',
    '$aws/things/gw1/shadow/name/weir/get',
  ]);
  expect(link.wireBytes!()).toBe(7);
});
