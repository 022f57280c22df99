import { columnsOf, decodeBatch } from '@weir/protocols';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { historyChanges } from '../../store/history.ts';
import { type Control, createControl, ruleBytes } from '../control.fixture.ts';

const T0 = 1_700_000_000_000;

let control: Control;
beforeEach(async () => {
  control = await createControl();
});
afterEach(() => control.close());

const ask = (path: string) =>
  control.app.inject({ url: `/api/v1${path}`, headers: { authorization: `Bearer ${control.apiKey}` } });

test('history is given in the batches in which it is kept, by series', async () => {
  const readings = ['oven1', 'door'].map((sensor) => ({ sensor, metric: 'temperature', value: 1, ts: T0 }));
  const chunk = { device: 'gw1', lane: 'live', epoch: 'e', seq: 7, columns: columnsOf(readings), at: T0 + 5 };
  await control.store.write(historyChanges(chunk).changes);
  const { items } = (await ask('/devices/gw1/history?series=oven*/*')).json() as { items: { batch: string }[] };
  expect(items).toMatchObject([{ lane: 'live', epoch: 'e', seq: 7, from: T0, at: T0 + 5 }]);
  const batch = decodeBatch(Buffer.from(items[0]!.batch, 'base64'), { bytesMax: 10_000, itemsMax: 10 });
  expect(batch.kind === 'readings' && batch.columns.series.map(({ sensor }) => sensor)).toContain('oven1');
  expect(batch.kind === 'readings' && batch.columns.index).toHaveLength(1);
  expect((await ask(`/devices/gw1/history?from=${T0 + 1}`)).json()).toEqual({ items: [] });
  expect((await ask('/devices/gw1/history?series=oven1')).json()).toMatchObject({ error: { code: 'request-invalid' } });
});

test('a bundle is given as it was uploaded', async () => {
  const { hash } = await control.fleet.putBundle(ruleBytes());
  expect((await ask(`/bundles/${hash}`)).rawPayload).toEqual(Buffer.from(ruleBytes()));
  const unknown = await ask(`/bundles/${'0'.repeat(64)}`);
  expect([unknown.statusCode, unknown.json()]).toMatchObject([404, { error: { code: 'bundle-unknown' } }]);
});
