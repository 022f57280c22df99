import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { LaneAccount } from '../outbox/outbox.ts';
import { roomWhenFull } from './room-when-full.ts';

/** Rows of a page each, of which the first may go. */
function setUp(rows: number, mayGo: number) {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE item (id INTEGER PRIMARY KEY, bytes BLOB)');
  const insert = db.prepare('INSERT INTO item VALUES (?, zeroblob(4000))');
  for (let id = 1; id <= rows; id++) insert.run(id);
  const outbox = {
    looks: 0,
    items: rows,
    accounts: () => [{ nextSeq: rows, acked: 0, items: outbox.items, bytes: 0 } as LaneAccount],
    dropForDisk() {
      outbox.looks++;
      return (
        Number(db.prepare('DELETE FROM item WHERE id = (SELECT min(id) FROM item) AND id <= ?').run(mayGo).changes) > 0
      );
    },
  };
  return { db, outbox, makeRoom: roomWhenFull(db, outbox) };
}

test('room on a full disk is made by dropping no more than it takes', () => {
  const { db, makeRoom } = setUp(200, 200);
  makeRoom(0);
  const { count } = db.prepare('SELECT freelist_count AS count FROM pragma_freelist_count').get() as { count: number };
  expect(count).toBe(64);
});

test('what was too little on a full disk is gone through again only when something else is there', () => {
  const { db, outbox, makeRoom } = setUp(200, 10);
  const ask = () => {
    db.exec('SAVEPOINT call');
    expect(() => makeRoom(0)).toThrow(expect.objectContaining({ errcode: 13 }));
    db.exec('ROLLBACK TO call; RELEASE call');
  };
  ask();
  expect(outbox.looks).toBe(11);
  ask();
  expect(outbox.looks).toBe(11);
  outbox.items++;
  ask();
  expect(outbox.looks).toBe(22);
});
