import { decodeBatch } from '@weir/protocols';
import { expect, test } from 'vitest';
import { createMemoryLog } from '../log/memory.ts';
import { alert, alertRecord } from '../workers/worker.fixture.ts';
import { takeUplink } from './uplink.ts';

test('a batch of which every alert is bad goes to the log all the same: its items are numbered, and not missing', async () => {
  const log = createMemoryLog({ partitions: 1 });
  const reasons: string[] = [];
  const refused = async (_device: string, reason: string) => void reasons.push(reason);
  const sent = alertRecord(7, [alert(1, { device: 'gw2' }), alert(2, { device: 'gw3' })]);
  expect(await takeUplink(sent, { log, refused })).toBe('kept');
  expect(reasons).toEqual(['foreign-device', 'foreign-device']);
  const records = await log.read(0, undefined, { limit: 10, waitMs: 0 });
  expect(records.map(({ payload }) => decodeBatch(payload))).toMatchObject([{ seq: 7, count: 2 }]);
});
