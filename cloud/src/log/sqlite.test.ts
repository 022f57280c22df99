import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { logContract } from './log.contract.ts';
import { partitionOf } from './log.ts';
import { openSqliteLog } from './sqlite.ts';

const folder = await mkdtemp(join(tmpdir(), 'weir-log-'));
afterAll(() => rm(folder, { recursive: true }));
let files = 0;
const newFile = () => join(folder, `log-${++files}.db`);

logContract('the log in SQLite', { open: (options) => openSqliteLog({ file: newFile(), ...options }) });

test('what was appended is there after the file is opened again', async () => {
  const file = newFile();
  const first = await openSqliteLog({ file });
  await first.append([{ device: 'gw1', lane: 'backfill', payload: new Uint8Array([1]), receivedAt: 5 }]);
  await first.close();
  const second = await openSqliteLog({ file });
  const found = await second.read(partitionOf('gw1', 16), undefined, { limit: 10, waitMs: 0 });
  expect(found.map(({ device, lane }) => ({ device, lane }))).toEqual([{ device: 'gw1', lane: 'backfill' }]);
  await second.close();
});

test('opening with another number of partitions is refused: devices would move', async () => {
  const file = newFile();
  await (await openSqliteLog({ file, partitions: 8 })).close();
  await expect(openSqliteLog({ file, partitions: 16 })).rejects.toMatchObject({
    code: 'log-partitions',
    remedy: expect.stringContaining('8'),
  });
});
