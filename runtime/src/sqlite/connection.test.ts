import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { Transactions } from './transactions.ts';

test('what is written right after a sync that failed is seen to be written, and so is synced in its turn', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-connection-'));
  let isFailing = false;
  const disk = {
    open: (file: string) => new DatabaseSync(file),
    sync: () => {
      if (isFailing) throw Object.assign(new Error('i/o error'), { code: 'EIO' });
    },
  };
  const open = (db: DatabaseSync) => {
    db.exec('CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY)');
    return { add: () => void db.exec('INSERT INTO row DEFAULT VALUES') };
  };
  const transactions = new Transactions(join(folder, 'file.db'), open, {}, disk);
  onTestFinished(() => {
    transactions.close();
    rmSync(folder, { recursive: true });
  });
  const wrote = () => {
    const before = transactions.changes;
    expect(transactions.transact([{ id: 1, name: 'add', args: [] }])).toMatchObject([{ id: 1 }]);
    return transactions.changes !== before;
  };
  transactions.relax();
  expect(wrote()).toBe(true);
  isFailing = true;
  expect(() => transactions.sync()).toThrow('i/o error');
  isFailing = false;
  // One row on the connection of before, one on that which is opened now.
  expect(wrote()).toBe(true);
  expect(wrote()).toBe(true);
});
