import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { logContract } from './log.contract.ts';
import { type Log, partitionOf } from './log.ts';
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

test('a file that is older than what workers have read, or new, gives none of those positions again', async () => {
  for (const isNew of [true, false]) {
    const file = newFile();
    const append = async (log: Log) => {
      await log.append([{ device: 'gw1', lane: 'live', payload: new Uint8Array([1]), receivedAt: 5 }]);
    };
    if (!isNew) {
      const copied = await openSqliteLog({ file });
      await append(copied);
      await copied.close();
    }
    const behind: number[] = [];
    const put = await openSqliteLog({ file, consumed: ['3', '7'], onBehind: (positions) => behind.push(positions) });
    await append(put);
    const found = await put.read(partitionOf('gw1', 16), '7', { limit: 10, waitMs: 0 });
    expect(found.map(({ position }) => position)).toEqual(['8']);
    await put.close();
    const again = await openSqliteLog({ file, consumed: ['8'], onBehind: (positions) => behind.push(positions) });
    expect(behind).toEqual([isNew ? 7 : 6]);
    await again.close();
  }
});
