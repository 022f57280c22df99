import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { Ballast } from './ballast.ts';
import { arrivalOf, numbered, outboxLimits, SPOOL_OPTIONS, stepOf } from './spool.fixture.ts';
import { openSpool } from './spool.ts';
import { Storage, type StoragePorts } from './storage.ts';

const MIB = 1024 * 1024;
const LIMITS = { ballastBytes: 2 * MIB, quarantine: { filesMax: 2, bytesMax: 100 * MIB } };

function storageIn(
  folder: string,
  outbox = outboxLimits(),
  ballast: StoragePorts['ballast'] = new Ballast(folder, LIMITS.ballastBytes),
) {
  const clock = new TestClock();
  const said: string[] = [];
  const storage = new Storage(
    folder,
    {
      clock,
      open: (file) => openSpool(file, { ...SPOOL_OPTIONS, outbox }),
      ballast,
      words: { life: 'life2', run: 'run2' },
      log: (_level, message) => said.push(message),
      ended: new Promise(() => {}),
    },
    LIMITS,
  );
  onTestFinished(() => storage.close());
  return { storage, clock, said };
}

const arrival = (n: number) => arrivalOf(numbered(n * 1_000, 1_000));

test('a file that is no database is put aside; the agent goes on with a new one, and says so', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'spool.db'), 'x'.repeat(50_000));
  const { storage, said } = storageIn(folder);
  expect(await storage.open()).toBe(true);
  await storage.call('append', arrival(1));
  const { restored, quarantined, state } = await storage.status();
  expect({ restored, state, kept: quarantined.length }).toMatchObject({
    state: 'ok',
    kept: 1,
    restored: { uncounted: true },
  });
  expect(storage.health).toMatchObject({ state: 'ok', uncounted: true });
  expect(storage.health).not.toHaveProperty('lostItems');
  expect(said.join()).toContain('how much is lost is not known');
  expect(said[0]).toContain('the database is damaged');
});

test('a damaged page that is read for whatever reason is told, so that the file is put aside', async () => {
  const folder = temporaryFolder();
  const first = storageIn(folder).storage;
  await first.open();
  for (let n = 0; n < 50; n++) await first.call('append', arrival(n));
  await first.close();
  const { storage } = storageIn(folder);
  await storage.open();
  const file = join(folder, 'spool.db');
  const db = new DatabaseSync(file, { readOnly: true });
  const root = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'journal'").get()!.rootpage as number;
  db.close();
  writeFileSync(file, readFileSync(file).fill(0, (root - 1) * 4_096, root * 4_096));
  const told: string[] = [];
  storage.onDamage(({ message }) => told.push(message));
  await expect(storage.call('journalAfter', 0, 10)).rejects.toThrow('malformed');
  expect(told).toEqual(['database disk image is malformed']);
});

test('damage that was found while it ran: what is there goes on under the same life', async () => {
  const folder = temporaryFolder();
  const first = storageIn(folder);
  await first.storage.open();
  await first.storage.call('append', arrival(1));
  await first.storage.call('commitStep', stepOf(1, { through: 1, connected: false }));
  await first.storage.close();
  const second = storageIn(folder);
  await second.storage.open('a page is malformed');
  const { epoch, lanes } = await second.storage.call('state');
  expect(epoch).toBe('life1.run1');
  expect(lanes.reduce((sum, { items }) => sum + items, 0)).toBe(1_000);
  expect(readdirSync(folder).filter((name) => name.includes('.damaged-')).length).toBe(1);
});

test('the first page is gone: it is noticed at the start, and what waits goes on under its life', async () => {
  const folder = temporaryFolder();
  const first = storageIn(folder);
  await first.storage.open();
  await first.storage.call('append', arrival(1));
  await first.storage.call('commitStep', stepOf(1, { through: 1, connected: false }));
  await first.storage.close();
  const file = join(folder, 'spool.db');
  writeFileSync(file, readFileSync(file).fill(0, 0, 4_096));
  const second = storageIn(folder);
  await second.storage.open();
  const { epoch, lanes } = await second.storage.call('state');
  expect(epoch).toBe('life1.run1');
  expect(lanes.reduce((sum, { items }) => sum + items, 0)).toBe(1_000);
  expect(second.storage.health).toMatchObject({ lostItems: 0, lostGroups: 0 });
  expect(
    readFileSync(join(folder, readdirSync(folder).find((name) => name.includes('.damaged-'))!)).subarray(100, 4_096),
  ).toEqual(Buffer.alloc(3_996));
});

test.each([
  [
    'what is trusted',
    `INSERT OR REPLACE INTO meta VALUES ('trust', '{"root": "' || char(1) || '"}')`,
    'trust' as const,
  ],
  [
    'the state of a function',
    `INSERT INTO fold_state VALUES ('hot/s1', '{"n":1,' || char(1) || '}')`,
    'state' as const,
  ],
  ['the beginning of the state of a function', `INSERT INTO fold_state VALUES ('hot/s1', 'x"n":1}')`, 'state' as const],
  [
    'what is wanted',
    `INSERT OR REPLACE INTO meta VALUES ('desired', '{"deployments":' || char(0) || '}')`,
    'state' as const,
  ],
])(
  '%s that is no JSON any more is damage, and is left behind: it would end every start',
  async (_what, statement, asked) => {
    const folder = temporaryFolder();
    const first = storageIn(folder);
    await first.storage.open();
    await first.storage.call('append', arrival(1));
    await first.storage.close();
    const db = new DatabaseSync(join(folder, 'spool.db'));
    db.exec(statement);
    db.close();
    const second = storageIn(folder);
    await second.storage.open();
    const error = await second.storage.call(asked).catch((error: Error) => error);
    expect(error).toMatchObject({ code: 'corrupt' });
    await second.storage.close();
    const third = storageIn(folder);
    await third.storage.open((error as Error).message);
    expect((await third.storage.call('trust')).trust).toBeUndefined();
    expect(await third.storage.call('state')).toMatchObject({ lastId: 1, desired: undefined });
  },
);

/** A file system of its own. @returns undefined where that is not permitted */
function smallDisk(bytes: number): string | undefined {
  const folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]));
  return folder;
}

const REASON = 'mounting a small file system takes root';

/** Appends until the disk is full for a reading, or `max` groups are there. @returns how many are durable */
async function fill(storage: Storage, max: number): Promise<number> {
  for (let n = 0; n < max; n++) {
    try {
      const { id } = await storage.call('append', arrival(n));
      const { step } = await storage.call('state');
      await storage.call('commitStep', stepOf(step + 1, { through: id, connected: false }));
    } catch {
      return n;
    }
  }
  return max;
}

test.for(['drop-newest', 'drop-oldest'] as const)(
  'a disk that is full, %s: nothing acknowledged is missing, deleting goes on, and with room all is well again',
  async (policy, context) => {
    const folder = smallDisk(14 * MIB);
    if (folder === undefined) return context.skip(REASON);
    const { storage, clock } = storageIn(folder, outboxLimits({ backfill: { policy } }));
    await storage.open();
    expect((await storage.status()).ballastBytes).toBe(LIMITS.ballastBytes);
    writeFileSync(join(folder, 'other'), Buffer.alloc(5 * MIB, 1));
    const taken = await fill(storage, 3_000);
    if (policy === 'drop-newest') expect(taken).toBeLessThan(3_000);
    expect(storage.health?.state).toBe('full');
    await vi.waitFor(() => expect(existsSync(join(folder, 'ballast'))).toBe(false));
    const { lanes } = await storage.call('state');
    const { items, dropped, nextSeq, acked } = lanes.find(({ lane }) => lane === 'backfill')!;
    expect(items + dropped).toBe(nextSeq);
    if (policy === 'drop-newest') expect(dropped).toBe(0);
    await storage.call('acknowledge', 'backfill', acked + 1_000);
    rmSync(join(folder, 'other'));
    await vi.waitFor(async () => {
      await clock.advance(5_000);
      expect(storage.health).toBeUndefined();
    });
    expect((await storage.status()).ballastBytes).toBe(LIMITS.ballastBytes);
    await storage.call('append', arrival(1));
  },
);

test('sensors that go on while the disk is full do not keep it from being well once there is room', async () => {
  let freeBytes = 0;
  let finish: ((made: boolean) => void) | undefined;
  const release = vi.fn(async () => finish?.(false));
  const made = () =>
    new Promise<boolean>((resolve) => {
      if (freeBytes === 0) resolve(false);
      else finish = resolve;
    });
  const ballast = {
    size: async () => 0,
    make: made,
    release,
    probe: async () => ({ writable: true, freeBytes }) as const,
  };
  const { storage, clock } = storageIn(temporaryFolder(), outboxLimits(), ballast);
  await storage.open();
  expect(storage.health?.state).toBe('full');
  await expect(storage.call('append', arrival(1))).rejects.toMatchObject({ code: 'full' });
  freeBytes = 100 * MIB;
  await vi.waitFor(async () => {
    await clock.advance(5_000);
    expect(finish).toBeDefined();
  });
  release.mockClear();
  // The ballast is being written, and readings that found no room before are refused meanwhile.
  await expect(storage.call('append', arrival(2))).rejects.toMatchObject({ code: 'full' });
  expect(release).not.toHaveBeenCalled();
  const late = storage.call('append', arrival(3));
  finish!(true);
  await expect(late).rejects.toMatchObject({ code: 'full' });
  await vi.waitFor(() => expect(storage.health).toBeUndefined());
  await storage.call('append', arrival(4));
});

test.each([
  ['that was full and failed for a moment', ['ENOSPC', 'EIO'], ['full', 'failing']],
  ['that could not be written to at the start', ['EROFS'], ['read-only']],
])(
  'a disk %s has its ballast again when it is well: full again it would have nothing to give up',
  async (_what, faults, states) => {
    let bytes = 0;
    let fault: string | undefined;
    const ballast: StoragePorts['ballast'] = {
      size: async () => bytes,
      make: async () => {
        bytes = LIMITS.ballastBytes;
        return true;
      },
      release: async () => {
        bytes = 0;
      },
      probe: async () =>
        fault === undefined
          ? { writable: true, freeBytes: 100 * MIB }
          : { writable: false, code: fault, message: fault },
    };
    const { storage, clock } = storageIn(temporaryFolder(), outboxLimits(), ballast);
    const seen: unknown[] = [];
    for (const next of [...faults, undefined]) {
      fault = next;
      if (seen.length === 0) await storage.open();
      else await clock.advance(6_000);
      await vi.waitFor(() => expect(storage.health?.state).toBe(states[seen.length]));
      seen.push(next);
    }
    expect(bytes).toBe(LIMITS.ballastBytes);
  },
);
