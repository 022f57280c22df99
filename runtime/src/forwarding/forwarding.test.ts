import type { Reading } from '@weir/protocols';
import { expect, test } from 'vitest';
import { ruleOf, sandbox } from '../fold/fold.fixture.ts';
import { createFoldHost } from '../fold/host.ts';
import { joinOutputs } from '../succession/mend.ts';
import { Gateway, policyOf } from './forwarding.fixture.ts';

const T0 = 1_700_000_040_000;
const at = (second: number, metric: string, value: Reading['value'], sensor = 's'): Reading => ({
  sensor,
  metric,
  value,
  ts: T0 + second * 1000,
});

test('the first entry that fits counts, and what none fits goes as it came', async () => {
  const gateway = new Gateway();
  await gateway.deploy(
    policyOf(
      'thin',
      { metric: 'temp*', mode: 'all' },
      { sensor: 'debug-*', mode: 'none' },
      { metric: 't*', mode: 'none' },
    ),
  );
  await gateway.step([at(0, 'temperature', 1), at(0, 'tide', 2), at(0, 'power', 3), at(0, 'power', 4, 'debug-1')]);
  expect(gateway.take()).toEqual(['temperature 1', 'power 3']);
  expect(gateway.forwarding('thin').entries.map(({ entry, taken, forwarded }) => [entry, taken, forwarded])).toEqual([
    ['temp*: all', 1, 1],
    ['debug-*/*: none', 1, 0],
    ['t*: none', 1, 0],
  ]);
});

test('without a policy, and where all of a step goes, its input stays where it is', async () => {
  const gateway = new Gateway();
  await gateway.deploy();
  expect((await gateway.step([at(0, 'a', 1)])).forwarded).toBeUndefined();
  await gateway.deploy(policyOf('thin', { metric: 'a', onChange: 1 }, { metric: 'b', mode: 'all' }));
  expect((await gateway.step([at(1, 'a', 1), at(1, 'b', 1), at(1, 'c', 1)])).forwarded).toEqual({
    readings: [],
  });
  expect((await gateway.step([at(2, 'a', 1), at(2, 'b', 1)])).forwarded).toEqual({
    places: Uint32Array.of(1),
    readings: [],
  });
  expect((await gateway.step([at(3, 'a', 1)])).forwarded).toEqual({ places: new Uint32Array(), readings: [] });
  expect(gateway.take()).toEqual(['a 1', 'a 1', 'b 1', 'c 1', 'b 1']);
});

test('rules see what is not forwarded', async () => {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('quiet', { mode: 'none' }), ruleOf('hot', { metric: 'temperature', above: 80 }));
  const { alerts } = await gateway.step([at(0, 'temperature', 81)]);
  expect(alerts).toMatchObject([{ state: 'firing', value: 81 }]);
  expect(gateway.sent).toEqual([]);
});

test('of several policies the first by name that has an entry for a series governs it', async () => {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('b', { mode: 'none' }), policyOf('a', { metric: 'x', mode: 'all' }));
  await gateway.step([at(0, 'x', 1), at(0, 'y', 2)]);
  expect(gateway.take()).toEqual(['x 1']);
});

test('a change of the policy closes what is told in another way, and goes on with the rest', async () => {
  const gateway = new Gateway();
  const minutes = { metric: 'v', every: '60s', values: ['count' as const] };
  await gateway.deploy(policyOf('thin', minutes, { metric: 'w', every: '60s' }, { metric: 't', onChange: 1 }));
  await gateway.step([at(0, 'v', 1), at(0, 'w', 1), at(0, 't', 20)]);
  expect(gateway.take()).toEqual(['t 20']);
  await gateway.deploy(policyOf('thin', { metric: 't', onChange: 2 }, minutes));
  expect(gateway.take()).toEqual(['w.mean 1', 'w.min 1', 'w.max 1', 'w.count 1']);
  await gateway.step([at(1, 'v', 1), at(1, 'w', 1), at(1, 't', 21.5)]);
  expect(gateway.take()).toEqual(['w 1']);
  await gateway.tick(T0 + 66_000);
  expect(gateway.take()).toEqual(['v.count 2']);
  const counts = gateway.forwarding('thin').entries.map(({ taken, forwarded }) => [taken, forwarded]);
  expect(counts).toEqual([
    [1, 0],
    [2, 1],
  ]);
});

test('a policy that takes over a series has it closed by the one that had it', async () => {
  const gateway = new Gateway();
  const last = policyOf('z', { metric: '*', every: '60s', values: ['count' as const] });
  await gateway.deploy(last);
  await gateway.step([at(0, 'v', 1), at(0, 'w', 1)]);
  await gateway.deploy(last, policyOf('a', { metric: 'v', onChange: 1 }));
  expect(gateway.take()).toEqual(['v.count 1']);
  expect([...gateway.states.keys()].sort()).toEqual(['a', 'z', 'z/s/w']);
});

test('a policy that is removed closes its windows and leaves nothing behind', async () => {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('thin', { metric: 'v', every: '60s', values: ['max' as const] }, { onChange: 1 }));
  await gateway.step([at(0, 'v', 3), at(0, 't', 20), at(1, 'v', 5)]);
  await gateway.restart();
  await gateway.deploy();
  expect(gateway.take()).toEqual(['t 20', 'v.max 5']);
  expect(gateway.states).toEqual(new Map());
  expect((await gateway.step([at(2, 'v', 3)])).forwarded).toBeUndefined();
});

test('a step writes the states of its own series, and nothing when none has changed', async () => {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('thin', { onChange: 1 }));
  await gateway.step([at(0, 'a', 1), at(0, 'b', 1)]);
  expect(gateway.written.sort()).toEqual(['thin', 'thin/s/a', 'thin/s/b']);
  await gateway.step([at(1, 'a', 3), at(1, 'b', 1)]);
  expect(gateway.written.sort()).toEqual(['thin', 'thin/s/a']);
  await gateway.tick(T0 + 9e6);
  expect(gateway.written).toEqual([]);
});

test('a clock that is set right closes what is open, at the time that it was then, and goes on with what was told last', async () => {
  const gateway = new Gateway();
  await gateway.deploy(
    policyOf('thin', { metric: 'v', every: '60s', values: ['count'] }, { metric: 't', onChange: 1 }),
  );
  await gateway.step([at(0, 'v', 1), at(0, 't', 20)]);
  expect(gateway.take()).toEqual(['t 20']);
  const shift = 1e9;
  gateway.moveTime({ from: T0 - 1_000, shift, now: T0 + shift + 2_000 });
  expect(gateway.sent.map(({ ts }) => ts - T0)).toEqual([2_000]);
  expect(gateway.take()).toEqual(['v.count 1']);
  await gateway.restart();
  await gateway.step([at(1e6 + 3, 'v', 1), at(1e6 + 3, 't', 20.5), at(1e6 + 4, 't', 21.5)]);
  await gateway.tick(T0 + shift + 200_000);
  expect(gateway.take()).toEqual(['t 21.5', 'v.count 1']);
});

test('a flood of made-up sensors displaces those that changed longest ago, whose windows are told', async () => {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('thin', { every: '1d', values: ['count'] }));
  await gateway.step([at(0, 'v', 1, 'real')]);
  for (let i = 1; i <= 10; i++)
    await gateway.step(Array.from({ length: 1_000 }, (_, n) => at(i, 'v', 1, `made-up-${i * 1_000 + n}`)));
  expect(gateway.forwarding('thin').series).toBe(9_001);
  expect(gateway.sent).toHaveLength(1_000);
  expect(gateway.sent.filter(({ sensor }) => sensor === 'real')).toHaveLength(1);
  expect(gateway.states.size).toBe(9_002);
});

test('more series than a batch can hold are forwarded in several', async () => {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('thin', { metric: 'v', every: '60s' }));
  for (let i = 0; i < 9; i++) {
    const readings = Array.from({ length: 1_000 }, (_, n) => at(i, 'v', 1, `a${i * 1_000 + n}`));
    await gateway.step(
      ['good', 'bad', 'odd', 'old'].flatMap((quality) => readings.map((each) => ({ ...each, quality }))),
    );
  }
  const { forwarded } = await gateway.deploy();
  const told = 9_000 * 4 * 4;
  expect(forwarded!.readings.map(({ index }) => index.length)).toEqual([65_535, 65_535, told - 2 * 65_535]);
});

test('in the cloud a policy does not run, and says so', async () => {
  const host = createFoldHost({ device: 'gw1', sandbox, reach: 'fleet' });
  await host.deploy([policyOf('thin', { mode: 'none' })], new Map(), '1', T0);
  expect(host.status()).toMatchObject([
    { kind: 'forwarding', state: 'failed', reason: expect.stringContaining('on devices') },
  ]);
});

test('a step joined with one that no policy has seen forwards all of that', async () => {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('thin', { mode: 'none' }));
  const filtered = await gateway.step([at(0, 'a', 1)]);
  await gateway.deploy();
  const plain = await gateway.step([at(1, 'a', 1)]);
  expect(joinOutputs(plain, plain)).not.toHaveProperty('forwarded');
  expect(joinOutputs(filtered, plain).forwarded).toEqual({ places: new Uint32Array(), readings: [] });
});
