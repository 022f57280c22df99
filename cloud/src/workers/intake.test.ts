/** What becomes of the records that are read together. */
import { columnsOf } from '@weir/protocols';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { countHistory, readHistory } from '../store/history.ts';
import { type Store, StoreError } from '../store/store.ts';
import { drained, Running } from './running.fixture.ts';
import { anyDeployed, countingHost, failingStore, readings, record, T0 } from './worker.fixture.ts';

let running: Running;
beforeEach(() => {
  running = new Running({});
});
afterEach(() => running.stop());

test.each(['too-large', 'a bug'])(
  'one that cannot be committed (%s) is kept aside alone, of those read with it',
  async (fault) => {
    const write: Store['write'] = async (changes) => {
      const isBad = changes.some((change) => 'put' in change && change.put.partition === 'bad');
      if (isBad) throw fault === 'too-large' ? new StoreError(fault, 'never') : new Error(fault);
      await running.store.write(changes);
    };
    const devices = ['gw1', 'gw2', 'gw3', 'bad', 'gw4', 'gw5', 'gw6'];
    await running.log.append(devices.map((device) => record(0, 5, { device })));
    await drained(await running.start({ store: { ...failingStore(running.store, []), write } }));
    expect(new Set(running.refused.map(({ device }) => device))).toEqual(new Set(['bad']));
    expect(running.refused.at(-1)).toEqual({ device: 'bad', reason: 'unprocessable' });
    for (const device of devices) expect(await countHistory(running.store, device)).toBe(device === 'bad' ? 0 : 5);
  },
);

test('a record of a backlog is told as passed once, whether it is new, known or kept aside', async () => {
  const passed: string[] = [];
  const backlog = record(0, 5, { lane: 'backfill' });
  await running.log.append([backlog, record(0, 5), backlog, { ...backlog, payload: new Uint8Array([1]) }]);
  await drained(await running.start({ onBackfilled: (device) => void passed.push(device) }));
  expect(passed).toEqual(['gw1', 'gw1', 'gw1']);
});

test('a batch that covers a longer time than those before is found from within', async () => {
  await running.log.append([record(0, 11), record(100, 36), record(200, 12)]);
  await drained(await running.start());
  const { readings: found } = await readHistory(running.store, 'gw1', { from: T0 + 134_000, to: T0 + 136_000 });
  expect(found.map(({ value }) => value)).toEqual([134, 135]);
});

test('what a function had begun when it failed is forgotten: it goes on from what is committed', async () => {
  let fails = 0;
  const makeHost = (device: string): ReturnType<typeof countingHost> => {
    const host = countingHost(device);
    return {
      ...host,
      async tick(now) {
        if (fails++ !== 0) return host.tick(now, '', now);
        // It counts, and then there is a bug.
        await host.step({ position: '', receivedAt: now, columns: columnsOf(readings(0, 7)) });
        throw new Error('a bug');
      },
    };
  };
  running.wanted = () => [anyDeployed('count')];
  await running.log.append([record(0, 5)]);
  const workers = await running.start({ makeHost });
  await drained(workers);
  await vi.waitFor(() => expect(fails).toBeGreaterThan(1), { timeout: 30_000, interval: 2 });
  await running.log.append([record(5, 5)]);
  await drained(workers);
  const state = await running.store.get({ table: 'fold', partition: 'gw1', sort: 'state/count' });
  expect(new TextDecoder().decode(state!.bytes)).toBe('10');
});
