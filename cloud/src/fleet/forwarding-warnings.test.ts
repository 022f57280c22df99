import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice, ruleBytes } from '../api/control.fixture.ts';

let control: Control;
beforeEach(async () => {
  control = await createControl();
  await control.fleet.createGroup('remote');
});
afterEach(() => control.close());

async function deploy(bytes: Uint8Array, where: 'edge' | 'cloud' = 'edge', group = 'remote'): Promise<string[]> {
  const { hash } = await control.fleet.putBundle(bytes);
  const { warnings = [] } = await control.fleet.deploy({ group, hash, where, config: {} });
  return warnings;
}

function policy(name: string, ...forward: object[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ weir: 1, kind: 'forwarding', forwarding: { name, forward } }));
}

const hot = (rule: object = {}) => ruleBytes({ name: 'hot', metric: 'temperature', ...rule });

test('a policy that keeps from the hub what a rule there watches says so, and so does the rule that comes later', async () => {
  const nothing = policy('thin', { metric: 'temp*', mode: 'none' });
  expect(await deploy(hot(), 'cloud')).toEqual([]);
  const [warning, ...more] = await deploy(nothing);
  expect(warning).toBe(
    'rule "hot" in the cloud watches temperature, which the devices do not send as it is: policy "thin" has "temp*: none"; run it on the devices',
  );
  expect(more).toEqual([]);
  expect(await deploy(hot({ name: 'hotter' }), 'cloud')).toEqual([expect.stringContaining('rule "hotter"')]);
});

test.each<[string, object[], object, boolean]>([
  ['windows', [{ metric: 'temperature', every: '60s' }], {}, true],
  [
    'a window of which the rule watches what is told',
    [{ metric: 'temp*', every: '60s' }],
    { metric: 'temperature.max' },
    false,
  ],
  [
    'one of which it is not told',
    [{ metric: 'temp*', every: '60s', values: ['mean'] }],
    { metric: 'temperature.max' },
    true,
  ],
  ['changes alone', [{ metric: 'temperature', onChange: 1 }], {}, false],
  ['another metric', [{ metric: 'pressure', mode: 'none' }], {}, false],
  ['an entry above that lets all of it pass', [{ metric: 'temperature', mode: 'all' }, { mode: 'none' }], {}, false],
  ['one that lets some of it pass', [{ sensor: 'a*', mode: 'all' }, { mode: 'none' }], {}, true],
  ['one for the sensors of the rule', [{ sensor: 'a*', mode: 'all' }, { mode: 'none' }], { sensor: 'a1*' }, false],
])('%s: warned of or not', async (_what, forward, rule, isWarned) => {
  await deploy(hot(rule), 'cloud');
  expect((await deploy(policy('thin', ...forward))).length).toBe(isWarned ? 1 : 0);
});

test('rules on the devices see everything, and are not warned of', async () => {
  await deploy(hot());
  expect(await deploy(policy('thin', { mode: 'none' }))).toEqual([]);
});

test('of several policies the one that governs the series is named; what is of other groups of the device counts too', async () => {
  await control.fleet.createGroup('halls');
  await enrolDevice(control.fleet, 'gw1', ['remote', 'halls']);
  await deploy(hot(), 'cloud', 'halls');
  expect(await deploy(policy('z', { mode: 'none' }))).toEqual([expect.stringContaining('"z" has')]);
  expect(await deploy(policy('a', { metric: 'temperature', mode: 'all' }))).toEqual([]);
  expect(await deploy(policy('z', { mode: 'none' }))).toEqual([]);
});

test('a policy is for devices: in the cloud it is refused', async () => {
  await expect(deploy(policy('thin', { mode: 'none' }), 'cloud')).rejects.toMatchObject({
    code: 'edge-only',
    message: expect.stringContaining('it says what devices send'),
  });
});
