/** What every log must do; each adapter's test runs it. */
import { LANES } from '@weir/protocols';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../clock/clock.ts';
import { type AppendRecord, type Log, partitionOf } from './log.ts';

export interface LogContractOptions {
  /** A new, empty log. */
  open(options: { partitions: number; bytesMax: number; clock?: Clock }): Promise<Log>;
}

const PARTITIONS = 4;
const NOW = { limit: 1000, waitMs: 0 };

function record(device: string, text: string): AppendRecord {
  return { device, lane: 'live', payload: new TextEncoder().encode(text), receivedAt: 1_700_000_000_000 };
}

async function texts(log: Log, device: string, after?: string): Promise<string[]> {
  const records = await log.read(partitionOf(device, log.partitions), after, NOW);
  return records.filter((found) => found.device === device).map(({ payload }) => new TextDecoder().decode(payload));
}

export function logContract(name: string, { open }: LogContractOptions): void {
  describe(`${name} keeps the contract of a log`, () => {
    let log: Log;
    let aheadMs: number;
    beforeEach(async () => {
      aheadMs = 0;
      const clock: Clock = { now: () => Date.now() + aheadMs, sleep: systemClock.sleep };
      log = await open({ partitions: PARTITIONS, bytesMax: 100_000, clock });
    });
    afterEach(() => log.close());

    test('a record comes back as it went in', async () => {
      const sent: AppendRecord = { device: 'gw1', lane: 'alert', payload: new Uint8Array([0, 255, 7]), receivedAt: 42 };
      await log.append([sent]);
      const [found, ...rest] = await log.read(partitionOf('gw1', PARTITIONS), undefined, NOW);
      expect(rest).toEqual([]);
      expect({ ...found, payload: new Uint8Array(found!.payload) }).toEqual({ ...sent, position: found!.position });
    });

    test('a record of any lane, also of the hub itself, comes back in it', async () => {
      const lanes = [...LANES, 'presence'] as const;
      await log.append(lanes.map((lane) => ({ ...record('gw1', lane), lane })));
      const found = await log.read(partitionOf('gw1', PARTITIONS), undefined, NOW);
      expect(found.map(({ lane }) => lane)).toEqual(lanes);
    });

    test('a payload that is a view into a larger buffer is copied, not kept', async () => {
      const shared = new Uint8Array([1, 2, 3, 4]);
      const appended = log.append([{ ...record('gw1', ''), payload: shared.subarray(1, 3) }]);
      shared.fill(9);
      await appended;
      expect(shared.length).toBe(4);
      const [found] = await log.read(partitionOf('gw1', PARTITIONS), undefined, NOW);
      expect([...found!.payload]).toEqual([2, 3]);
    });

    test('records of a device keep the order of overlapping appends', async () => {
      const sent = Array.from({ length: 200 }, (_, at) => `${at}`);
      await Promise.all(sent.map((text) => log.append([record('gw1', text)])));
      expect(await texts(log, 'gw1')).toEqual(sent);
    });

    test('each record is in the partition of its device and in no other', async () => {
      const devices = Array.from({ length: 40 }, (_, at) => `gw${at}`);
      await log.append(devices.map((device) => record(device, device)));
      const found: string[] = [];
      for (let partition = 0; partition < PARTITIONS; partition++) {
        for (const { device } of await log.read(partition, undefined, NOW)) {
          expect(partitionOf(device, PARTITIONS)).toBe(partition);
          found.push(device);
        }
      }
      expect(found.sort()).toEqual(devices.sort());
    });

    test('reading goes on after a position, page by page, without loss or repetition', async () => {
      const sent = Array.from({ length: 25 }, (_, at) => `${at}`);
      await log.append(sent.map((text) => record('gw1', text)));
      const found: string[] = [];
      let after: string | undefined;
      for (;;) {
        const page = await log.read(partitionOf('gw1', PARTITIONS), after, { limit: 10, waitMs: 0 });
        if (page.length === 0) break;
        expect(page.length).toBeLessThanOrEqual(10);
        found.push(...page.map(({ payload }) => new TextDecoder().decode(payload)));
        after = page.at(-1)!.position;
      }
      expect(found).toEqual(sent);
    });

    test('large records come in more than one read, and none is skipped', async () => {
      await log.close();
      log = await open({ partitions: PARTITIONS, bytesMax: 100_000_000 });
      const large = Array.from({ length: 30 }, (_, at) => ({
        ...record('gw1', ''),
        payload: new Uint8Array(130_000).fill(at),
      }));
      await log.append(large);
      const found: number[] = [];
      let after: string | undefined;
      while (found.length < large.length) {
        const page = await log.read(partitionOf('gw1', PARTITIONS), after, NOW);
        expect(page.length).toBeGreaterThan(0);
        found.push(...page.map(({ payload }) => payload[0]!));
        after = page.at(-1)!.position;
      }
      expect(found).toEqual(large.map((_, at) => at));
    });

    test('a reader that waits is woken by an append', async () => {
      const reading = log.read(partitionOf('gw1', PARTITIONS), undefined, { limit: 10, waitMs: 30_000 });
      await log.append([record('gw1', 'late')]);
      expect((await reading).length).toBe(1);
    });

    test('a reader gives up after its wait, or when aborted', async () => {
      expect(await log.read(0, undefined, { limit: 10, waitMs: 5 })).toEqual([]);
      const abort = new AbortController();
      const reading = log.read(0, undefined, { limit: 10, waitMs: 30_000, signal: abort.signal });
      abort.abort();
      expect(await reading).toEqual([]);
    });

    test('a reader waits no longer where the clock is set back meanwhile', async () => {
      const reading = log.read(0, undefined, { limit: 10, waitMs: 50 });
      aheadMs = -3_600_000;
      expect(await reading).toEqual([]);
    });

    test('trim forgets up to its position, and positions are never used again', async () => {
      const partition = partitionOf('gw1', PARTITIONS);
      await log.append([record('gw1', 'a'), record('gw1', 'b')]);
      const [, b] = await log.read(partition, undefined, NOW);
      await log.trim(partition, b!.position);
      expect(await texts(log, 'gw1')).toEqual([]);
      await log.append([record('gw1', 'c')]);
      expect(await texts(log, 'gw1', b!.position)).toEqual(['c']);
    });

    test('trim touches no other partition', async () => {
      const other = ['gw2', 'gw3', 'gw4', 'gw5', 'gw6'].find(
        (device) => partitionOf(device, PARTITIONS) !== partitionOf('gw1', PARTITIONS),
      )!;
      await log.append([record(other, 'mine'), record('gw1', 'a')]);
      const [a] = await log.read(partitionOf('gw1', PARTITIONS), undefined, NOW);
      await log.trim(partitionOf('gw1', PARTITIONS), a!.position);
      expect(await texts(log, other)).toEqual(['mine']);
    });

    test('lag counts what is not consumed', async () => {
      const partition = partitionOf('gw1', PARTITIONS);
      expect(await log.lag(partition, undefined)).toBe(0);
      await log.append([record('gw1', 'a'), record('gw1', 'b'), record('gw1', 'c')]);
      const [a, b] = await log.read(partition, undefined, NOW);
      expect(await log.lag(partition, undefined)).toBe(3);
      expect(await log.lag(partition, a!.position)).toBe(2);
      await log.trim(partition, b!.position);
      expect(await log.lag(partition, b!.position)).toBe(1);
    });

    test('at its limit it refuses with `full`, keeps what it has, and takes more after a trim', async () => {
      const large = 'x'.repeat(30_000);
      for (let n = 0; n < 3; n++) await log.append([record('gw1', large)]);
      await expect(log.append([record('gw1', large)])).rejects.toMatchObject({ code: 'full', retryable: true });
      const partition = partitionOf('gw1', PARTITIONS);
      const kept = await log.read(partition, undefined, NOW);
      expect(kept.length).toBe(3);
      await log.trim(partition, kept.at(-1)!.position);
      await log.append([record('gw1', large)]);
      expect((await texts(log, 'gw1')).length).toBe(1);
    });

    test('after close it refuses with `closed`, and close may be repeated', async () => {
      await log.close();
      await log.close();
      await expect(log.append([record('gw1', 'a')])).rejects.toMatchObject({ code: 'closed', retryable: false });
    });
  });
}
