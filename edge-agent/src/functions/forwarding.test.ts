import { columnsOf, decodeBatch, type Reading, readingsOf } from '@weir/protocols';
import { createFoldHost, hashBundle, type Sandbox } from '@weir/runtime';
import { expect, test, vi } from 'vitest';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf, stepOf } from '../spool/spool.fixture.ts';
import { startPipeline } from './pipeline.fixture.ts';

const T0 = 1_700_000_040_000;
const host = () => createFoldHost({ device: 'gw1', sandbox: {} as Sandbox });
const at = (second: number, metric: string, value: number): Reading => ({
  sensor: 's',
  metric,
  value,
  ts: T0 + second * 1_000,
});

function policyOf(name: string, ...forward: object[]) {
  const bytes = Buffer.from(JSON.stringify({ weir: 1, kind: 'forwarding', forwarding: { name, forward } }));
  const hash = hashBundle(bytes);
  return { bytes, hash, kept: { name, hash, config: '{}', quarantined: null } };
}

const thin = policyOf('thin', { metric: 'v', every: '60s', values: ['count'] }, { metric: 't', onChange: 1 });

function spoolWith(policy: ReturnType<typeof policyOf>): HeldSpool {
  const spool = new HeldSpool();
  spool.ops.stageBundle(policy.hash, policy.bytes);
  spool.ops.commitStep(stepOf(1, { deployed: { running: [policy.kept], hashesNeeded: [] } }));
  return spool;
}

/** Appends it and has it passed. */
async function arrive(
  pipeline: ReturnType<typeof startPipeline>['pipeline'],
  spool: HeldSpool,
  ...readings: Reading[]
) {
  const arrival = { ...arrivalOf(readings), receivedAt: Math.max(...readings.map(({ ts }) => ts)) };
  const { id, bytes } = spool.ops.append(arrival);
  pipeline.offer({ id, bytes, columns: arrival.columns!, receivedAt: arrival.receivedAt });
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(id));
}

function waiting(spool: HeldSpool): { lane: string; items: number; dropped: number } {
  const { lane, items, dropped } = spool.ops.counts().lanes.find((each) => each.lane === 'live')!;
  return { lane, items, dropped };
}

const rows = (spool: HeldSpool) =>
  spool.db
    .prepare('SELECT id FROM journal ORDER BY id')
    .all()
    .map(({ id }) => id);

test('a row whose readings all go to the hub stays as it is; another is left with what goes, or let go', async () => {
  const spool = spoolWith(thin);
  const { pipeline } = startPipeline({ spool, host });
  await pipeline.start();
  await arrive(pipeline, spool, at(0, 't', 20), at(0, 'o', 1));
  await arrive(pipeline, spool, at(1, 't', 20.5), at(1, 'v', 1), at(1, 'o', 2));
  await arrive(pipeline, spool, at(2, 't', 20.5), at(2, 'v', 1));
  expect(rows(spool)).toEqual([1, 2]);
  expect(waiting(spool)).toEqual({ lane: 'live', items: 3, dropped: 0 });
  expect(pipeline.status()).toMatchObject([{ kind: 'forwarding', readings: 5, forwarding: { windows: 1 } }]);
});

test('what is left of a row may still be set right: it keeps its clock, and which of its times are of that', async () => {
  const spool = spoolWith(thin);
  const era = { id: 1, boot: 'b', certainty: 'assumed', offset: T0, fromAt: T0 } as const;
  const readings = [at(0, 't', 20), at(1, 't', 20), at(2, 'o', 1), at(3, 'o', 2)];
  const time = { stamp: { era, monotonic: 5_000 }, stamped: Uint8Array.of(0, 1, 1, 0) };
  const { id, bytes } = spool.ops.append({ ...arrivalOf(readings), receivedAt: T0 + 4_000, time });
  const { pipeline } = startPipeline({ spool, host });
  await pipeline.start();
  pipeline.offer({ id, bytes, columns: columnsOf(readings), receivedAt: T0 + 4_000 });
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(id));
  const row = spool.db.prepare('SELECT count, era, monotonic, stamped FROM journal').get()!;
  expect({ ...row, stamped: [...(row.stamped as Uint8Array)] }).toEqual({
    count: 3,
    era: 1,
    monotonic: 5_000,
    stamped: [0, 1, 0],
  });
  expect(waiting(spool).items).toBe(3);
});

test('a row that the card has damaged before it could be thinned is counted as damaged when it is sent', async () => {
  const spool = spoolWith(thin);
  const readings = [at(0, 't', 20), at(1, 't', 20)];
  const { id, bytes } = spool.ops.append({ ...arrivalOf(readings), receivedAt: T0 + 4_000 });
  const { pipeline } = startPipeline({ spool, host });
  await pipeline.start();
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(id));
  const later = [at(2, 't', 30), at(3, 't', 30)];
  const next = spool.ops.append({ ...arrivalOf(later), receivedAt: T0 + 5_000 });
  spool.db.exec(`UPDATE journal SET bytes = substr(bytes, 1, length(bytes) - 3) WHERE id = ${next.id}`);
  pipeline.offer({ ...next, columns: columnsOf(later), receivedAt: T0 + 5_000 });
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(next.id));
  expect(bytes).toBeGreaterThan(0);
  expect(waiting(spool).items).toBe(3);
  const cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
  spool.ops.nextBatches(cursors, { total: 9, others: 9, readings: 9, report: 9, backfill: 9 }, 0);
  expect(waiting(spool)).toMatchObject({ items: 1, dropped: 2 });
});

test('what the policy leaves out has no number, and its windows are numbered as they are told', async () => {
  const spool = spoolWith(thin);
  const { pipeline } = startPipeline({ spool, host });
  await pipeline.start();
  for (let second = 0; second < 70; second++)
    await arrive(pipeline, spool, at(second, 'v', second), at(second, 't', 20));
  const cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
  const room = { total: 9, others: 9, readings: 9, report: 9, backfill: 9 };
  const batches = spool.ops.nextBatches(cursors, room, 0).map(({ payload }) => decodeBatch(payload));
  const sent = batches.flatMap((batch) => (batch.kind === 'readings' ? [...readingsOf(batch.columns)] : []));
  expect(sent.map(({ metric, value, ts }) => [metric, value, ts])).toEqual([
    ['t', 20, T0],
    ['v.count', 60, T0 + 60_000],
  ]);
  expect(batches.reduce((next, { seq, count }) => (seq === next ? next + count : Number.NaN), 0)).toBe(2);
  expect(spool.ops.droppedRanges()).toEqual([]);
});

test('a policy whose bundle the card has damaged keeps its windows until it is here again', async () => {
  const spool = spoolWith(thin);
  const first = startPipeline({ spool, host });
  await first.pipeline.start();
  await arrive(first.pipeline, spool, at(0, 'v', 1));
  await first.pipeline.stop();
  spool.db.prepare('UPDATE bundle SET bytes = ? WHERE hash = ?').run(Buffer.from('{"weir":1,'), thin.hash);
  const { pipeline } = startPipeline({ spool, host });
  await pipeline.start();
  expect([...pipeline.damaged]).toEqual(['thin']);
  await arrive(pipeline, spool, at(1, 'v', 1));
  expect(waiting(spool).items).toBe(1);
  spool.ops.stageBundle(thin.hash, thin.bytes);
  await pipeline.deploy({ targetOf: () => [thin.kept], hashesNeeded: [] });
  await arrive(pipeline, spool, at(2, 'v', 1));
  expect(pipeline.status()).toMatchObject([{ forwarding: { windows: 1 } }]);
  await pipeline.deploy({ targetOf: () => [], hashesNeeded: [] });
  expect(waiting(spool).items).toBe(2);
  expect([...spool.ops.state().states.keys()]).toEqual([]);
});
