/** What every downlink must do; each adapter's test runs it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Downlink } from './downlink.ts';

export interface DownlinkContractOptions {
  open(): Promise<{
    downlink: Downlink;
    /** What has been handed to subscribers, in order. */
    published(): { topic: string; payload: string; qos: number }[];
    close(): Promise<void>;
  }>;
}

export function downlinkContract(name: string, { open }: DownlinkContractOptions): void {
  describe(`${name} keeps the contract of a downlink`, () => {
    let opened: Awaited<ReturnType<DownlinkContractOptions['open']>>;
    let downlink: Downlink;
    beforeEach(async () => {
      opened = await open();
      downlink = opened.downlink;
    });
    afterEach(() => opened.close());

    test('a message is handed on, whatever its bytes and its topic', async () => {
      await downlink.publish('plant/öfen 1/set?x=1&y', new TextEncoder().encode('81.5 °C'), { qos: 1 });
      await downlink.publish('$aws/things/gw1/jobs/notify', new Uint8Array());
      expect(opened.published()).toEqual([
        { topic: 'plant/öfen 1/set?x=1&y', payload: '81.5 °C', qos: 1 },
        { topic: '$aws/things/gw1/jobs/notify', payload: '', qos: 0 },
      ]);
    });

    test('a topic with a wildcard is refused, and so is a retained message on a reserved one', async () => {
      const refused = { code: 'refused', retryable: false };
      await expect(downlink.publish('plant/#', new Uint8Array())).rejects.toMatchObject(refused);
      const reserved = downlink.publish('$aws/things/gw1/x', new Uint8Array(), { retain: true });
      await expect(reserved).rejects.toMatchObject(refused);
    });

    test('a shadow that is not there is undefined', async () => {
      expect(await downlink.getShadow('gw1', 'weir')).toBeUndefined();
      expect(await downlink.getShadow('gw1')).toBeUndefined();
    });

    test('an update is merged and gives the new version; named and classic shadows are kept apart', async () => {
      expect(await downlink.updateShadow('gw1', 'weir', { state: { desired: { a: { b: 1 } } } })).toBe(1);
      expect(await downlink.updateShadow('gw1', 'weir', { state: { desired: { a: { c: 2 } } } })).toBe(2);
      expect(await downlink.updateShadow('gw1', undefined, { state: { reported: { x: 1 } } })).toBe(1);
      expect(await downlink.getShadow('gw1', 'weir')).toMatchObject({
        state: { desired: { a: { b: 1, c: 2 } }, delta: { a: { b: 1, c: 2 } } },
        version: 2,
      });
      expect((await downlink.getShadow('gw1'))!.state).toEqual({ reported: { x: 1 } });
    });

    test('another version than the current one is a conflict, and changes nothing', async () => {
      await downlink.updateShadow('gw1', 'weir', { state: { desired: { a: 1 } } });
      const attempt = downlink.updateShadow('gw1', 'weir', { state: { desired: { a: 2 } }, version: 7 });
      await expect(attempt).rejects.toMatchObject({ code: 'conflict', retryable: false });
      expect((await downlink.getShadow('gw1', 'weir'))!.version).toBe(1);
    });

    test('a document that is too large or too deep is refused', async () => {
      const refused = { code: 'refused', retryable: false };
      const large = downlink.updateShadow('gw1', 'weir', { state: { desired: { x: 'x'.repeat(9000) } } });
      await expect(large).rejects.toMatchObject(refused);
      const deep = JSON.parse(`${'{"a":'.repeat(12)}1${'}'.repeat(12)}`);
      await expect(downlink.updateShadow('gw1', 'weir', { state: { desired: deep } })).rejects.toMatchObject(refused);
    });
  });
}
