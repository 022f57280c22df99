import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EPOCH_PATTERN, GENERATION_PATTERN } from '@weir/protocols';
import { expect, test } from 'vitest';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { checkAccounts, filled, NOW, OPTIONS, opened, ROOM, START } from './salvage.fixture.ts';
import { salvage } from './salvage.ts';

test.each([
  ['a life', "UPDATE meta SET value = 'li\u0001e' WHERE key = 'epoch'", ['meta'], 0],
  ['a life that is a number', "UPDATE meta SET value = 7 WHERE key = 'epoch'", ['meta'], 0],
  ['what came since a row', "UPDATE meta SET value = '4x.1' WHERE key = 'since-row'", ['meta'], 0],
  ['a run', "UPDATE run SET epoch = 'life1.r\n1'", ['run'], 0],
  ['the lane of a run', "UPDATE run SET lane = 'lite' WHERE lane = 'live'", ['run'], 0],
  ['a generation', "UPDATE outbox SET generation = 'a b' WHERE rowid = 300", ['outbox'], 10],
  ['a lane', "UPDATE outbox SET lane = 'backfilm' WHERE rowid = 300", ['outbox'], 10],
] as const)(
  '%s that is no word is taken out: all else is sent, under words that the hub takes',
  (_, sql, damaged, lost) => {
    const folder = temporaryFolder();
    const file = filled(folder);
    const db = new DatabaseSync(file);
    db.prepare("INSERT OR IGNORE INTO meta (key, value) VALUES ('since-row', '1.1')").run();
    expect(Number(db.prepare(sql).run().changes)).toBeGreaterThan(0);
    db.close();
    const outcome = salvage(file, join(folder, 'new.db'), OPTIONS);
    expect(outcome).toMatchObject({ lostItems: lost, lostGroups: 0 });
    expect(outcome.damaged).toEqual(expect.arrayContaining([...damaged]));
    const after = opened(join(folder, 'new.db'));
    checkAccounts(after);
    const batches = after.ops.nextBatches(START, { ...ROOM }, NOW).map(({ payload }) => sentBatch(payload));
    expect(batches.length).toBeGreaterThan(0);
    for (const { epoch, generation } of batches) {
      expect(epoch).toMatch(EPOCH_PATTERN);
      if (generation !== undefined) expect(generation).toMatch(GENERATION_PATTERN);
    }
  },
);
