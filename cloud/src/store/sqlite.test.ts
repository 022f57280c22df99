import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openSqliteStore } from './sqlite.ts';
import { storeContract } from './store.contract.ts';

const folder = await mkdtemp(join(tmpdir(), 'weir-store-'));
afterAll(() => rm(folder, { recursive: true }));
let files = 0;
const newFile = () => join(folder, `store-${++files}.db`);

storeContract('the store in SQLite', { open: () => openSqliteStore({ file: newFile() }) });

test('what was written is there after the file is opened again', async () => {
  const file = newFile();
  const item = { table: 't', partition: 'p', sort: 's' };
  const first = await openSqliteStore({ file });
  await first.write([{ put: item, json: 'kept' }]);
  await first.close();
  const second = await openSqliteStore({ file });
  expect(await second.get(item)).toEqual({ ...item, version: 1, json: 'kept' });
  await second.close();
});
