import { type ShadowDocument, shadowDelta } from '@weir/protocols';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Control, createControl, enrolDevice, ruleBytes } from '../api/control.fixture.ts';

let control: Control;
let wake: (() => void)[] = [];
const clock = { now: 1_795_000_000_000 };

beforeEach(async () => {
  wake = [];
  // Nothing waits by the clock: a test lets the sleepers go on.
  const sleep = (_ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      wake.push(resolve);
      signal?.addEventListener('abort', () => resolve());
    });
  control = await createControl({ sleep, clock });
  await control.fleet.createGroup('ovens');
});
afterEach(() => control.close());

async function desired(device: string): Promise<Record<string, { version: string; config?: object }>> {
  const document = (await control.downlink.getShadow(device, 'weir')) as
    | { state: { desired?: { deployments?: Record<string, { version: string; config?: object }> } } }
    | undefined;
  return document?.state.desired?.deployments ?? {};
}

async function deploy(group: string, rule = {}, over = {}) {
  const { hash } = await control.fleet.putBundle(ruleBytes(rule));
  return control.fleet.deploy({ group, hash, where: 'edge', config: {}, ...over });
}

const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 30_000, interval: 5 });

test('more in the cloud than a device of the group can have is refused when it is deployed, not left out later', async () => {
  await control.fleet.createGroup('halls');
  await enrolDevice(control.fleet, 'gw1', ['ovens', 'halls']);
  const cloud = { where: 'cloud' };
  for (let n = 0; n < 25; n++) {
    await deploy('ovens', { name: `oven${n}` }, cloud);
    await deploy('halls', { name: `hall${n}` }, cloud);
  }
  await expect(deploy('halls', { name: 'one-more' }, cloud)).rejects.toMatchObject({
    code: 'limit-exceeded',
    message: expect.stringContaining('"gw1" would have 51'),
  });
  await deploy('halls', { name: 'hall0', version: '2' }, cloud);
  await deploy('halls', { name: 'one-more' });
  await control.fleet.removeFromGroup('ovens', 'gw1');
  await deploy('halls', { name: 'and-more' }, cloud);
});

describe('the shadow of a device follows what its groups want', () => {
  test('a deployment reaches the devices that are there, and those that join later', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    const { hash, bytes } = await deploy('ovens');
    await enrolDevice(control.fleet, 'gw2', ['ovens']);
    for (const device of ['gw1', 'gw2']) {
      await until(async () =>
        expect(await desired(device)).toEqual({ 'oven-hot': { kind: 'rule', version: '1', hash, bytes } }),
      );
    }
  });

  test('what is taken off disappears from desired, and so does what a device leaves behind with its group', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    await deploy('ovens');
    await deploy('ovens', { name: 'second' });
    await until(async () => expect(Object.keys(await desired('gw1'))).toEqual(['oven-hot', 'second']));
    await control.fleet.undeploy('ovens', 'second');
    await until(async () => expect(Object.keys(await desired('gw1'))).toEqual(['oven-hot']));
    await control.fleet.removeFromGroup('ovens', 'gw1');
    await until(async () => expect(await desired('gw1')).toEqual({}));
  });

  test('a key that a new config lacks is gone from the old one', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    await deploy('ovens', {}, { config: { a: 1, deep: { x: 1, y: [1, 2] } } });
    await deploy('ovens', {}, { config: { deep: { y: [2] } } });
    await until(async () => expect((await desired('gw1'))['oven-hot']!.config).toEqual({ deep: { y: [2] } }));
  });

  test('to reconcile again writes nothing', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    await deploy('ovens');
    await control.fleet.reconcile('gw1');
    const before = await control.downlink.getShadow('gw1', 'weir');
    await control.fleet.reconcile('gw1');
    expect(await control.downlink.getShadow('gw1', 'weir')).toEqual(before);
  });

  test('while devices cannot be reached it is tried again, the status says why, and nothing is lost', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    await control.fleet.reconcile('gw1');
    control.downlink.down = true;
    await deploy('ovens');
    await until(() => expect(wake).toHaveLength(1));
    wake.pop()!();
    await until(() => expect(wake).toHaveLength(1));
    control.downlink.down = false;
    const [row] = (await control.fleet.status()).items;
    expect(row).toMatchObject({ state: 'pending', problem: expect.stringContaining('the downlink is down') });
    wake.pop()!();
    await until(async () => expect(Object.keys(await desired('gw1'))).toEqual(['oven-hot']));
    expect((await control.fleet.status()).items[0]).not.toHaveProperty('problem');
  });

  test('a hub that starts reconciles every device, and knows of none that it is connected', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    await control.fleet.presence('gw1', true, 5);
    control.downlink.down = true;
    await deploy('ovens');
    control.downlink.down = false;
    await control.fleet.start();
    await until(async () => expect(Object.keys(await desired('gw1'))).toEqual(['oven-hot']));
    expect((await control.fleet.device('gw1'))!.presence!.connected).toBe(false);
    expect((await control.fleet.device('gw1'))!.lastSeenAt).toBe(5);
  });

  test('of two groups that want one name the one set last wins, and the status names the loser', async () => {
    await control.fleet.createGroup('all');
    await enrolDevice(control.fleet, 'gw1', ['ovens', 'all']);
    await deploy('ovens', { version: '1' });
    await deploy('all', { version: '2' });
    const winner = async () => {
      await control.fleet.reconcile('gw1');
      const [row] = (await control.fleet.status({ name: 'oven-hot' })).items;
      return [(await desired('gw1'))['oven-hot']!.version, row!.wanted!.group, row!.overridden];
    };
    expect(await winner()).toEqual(['2', 'all', ['ovens']]);
    await deploy('ovens', { version: '1' });
    expect(await winner()).toEqual(['1', 'ovens', ['all']]);
    await control.fleet.undeploy('ovens', 'oven-hot');
    expect(await winner()).toEqual(['2', 'all', []]);
  });

  test('a rollback brings back what ran before, with its config, and can itself be undone', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    await deploy('ovens', { version: '1' }, { config: { a: 1 } });
    await expect(control.fleet.rollback('ovens', 'oven-hot')).rejects.toMatchObject({ code: 'no-previous' });
    await deploy('ovens', { version: '2' });
    expect(await control.fleet.rollback('ovens', 'oven-hot')).toMatchObject({ version: '1', config: { a: 1 } });
    expect(await control.fleet.rollback('ovens', 'oven-hot')).toMatchObject({ version: '2', config: {} });
  });
});

describe('what cannot be deployed is refused with the reason', () => {
  test.each([
    ['a group that does not exist', { group: 'none' }, 'group-unknown'],
    ['a bundle that was not uploaded', { hash: '0'.repeat(64) }, 'bundle-unknown'],
    ['another name than the bundle has', { name: 'other' }, 'name-mismatch'],
    ['a null, which would delete its key in the shadow', { config: { a: [{ b: null }] } }, 'config-invalid'],
    ['a config that would fill the shadow', { config: { a: 'x'.repeat(2100) } }, 'config-invalid'],
  ])('%s', async (_what, over, code) => {
    await expect(deploy('ovens', {}, over)).rejects.toMatchObject({ code, remedy: expect.any(String) });
  });

  test('a function that closes a circle, with the path; elsewhere it may run', async () => {
    const put = async (name: string, input: string, output: string) => {
      const select = (metric: string) => [{ sensor: '*', metric }];
      const manifest = { name, version: '1', api: 1, inputs: select(input), outputs: select(output) };
      const rest = { handlers: ['reading'], schedules: [], timeoutMs: 250, memoryMb: 64 };
      const bundle = { weir: 1, kind: 'function', manifest: { ...manifest, ...rest }, code: 'x' };
      return (await control.fleet.putBundle(Buffer.from(JSON.stringify(bundle)))).hash;
    };
    await deploy('ovens', {}, { hash: await put('a', 'raw', 'x') });
    await deploy('ovens', {}, { hash: await put('b', 'x', 'y') });
    const hash = await put('c', 'y', 'raw');
    await expect(deploy('ovens', {}, { hash })).rejects.toMatchObject({
      code: 'flow-circle',
      message: expect.stringMatching(/a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c/),
    });
    await deploy('ovens', {}, { hash, where: 'cloud' });
    await control.fleet.createGroup('presses');
    await deploy('presses', {}, { hash });
  });

  test('bytes that are no bundle, or too many', async () => {
    await expect(control.fleet.putBundle(Buffer.from('{}'))).rejects.toMatchObject({ code: 'bundle-invalid' });
    const large = ruleBytes({ summary: 'x'.repeat(1_100_000) });
    await expect(control.fleet.putBundle(large)).rejects.toMatchObject({ code: 'bundle-too-large' });
  });
});

test('a bundle larger than one item of the store comes back byte by byte', async () => {
  const code = Array.from({ length: 90_000 }, (_, i) => String(i)).join(';');
  const manifest = {
    name: 'f',
    version: '1',
    api: 1,
    inputs: [],
    handlers: [],
    schedules: [],
    timeoutMs: 100,
    memoryMb: 8,
  };
  const bytes = new TextEncoder().encode(JSON.stringify({ weir: 1, kind: 'function', manifest, code }));
  expect(bytes.byteLength).toBeGreaterThan(400_000);
  const { hash } = await control.fleet.putBundle(bytes);
  expect(Buffer.from((await control.fleet.bundle(hash))!).equals(bytes)).toBe(true);
  expect(await control.fleet.bundle('1'.repeat(64))).toBeUndefined();
});

describe('status', () => {
  test('calls a deployment running only when the hash that is wanted runs', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    const old = await deploy('ovens', { version: '1' });
    const report = (state: string, { hash, version }: { hash: string; version: string }) =>
      control.downlink.updateShadow('gw1', 'weir', {
        state: { reported: { deployments: { 'oven-hot': { kind: 'rule', version, hash, state } } } },
      });
    const state = async () => (await control.fleet.status({ device: 'gw1' })).items.map((row) => row.state);
    expect(await state()).toEqual(['pending']);
    await report('running', old);
    expect(await state()).toEqual(['running']);
    const fresh = await deploy('ovens', { version: '2' });
    expect(await state()).toEqual(['pending']);
    await report('failed', fresh);
    expect(await state()).toEqual(['failed']);
    await control.fleet.undeploy('ovens', 'oven-hot');
    expect(await state()).toEqual(['removing']);
  });

  test('does not take the last good version, which runs in its place, for what is wanted', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    const old = await deploy('ovens', { version: '1' });
    const { hash } = await deploy('ovens', { version: '2' });
    const running = { version: '1', hash: old.hash };
    const reported = { kind: 'rule', version: '2', hash, state: 'quarantined', reason: 'it loops', running };
    const deployments = { 'oven-hot': reported };
    await control.downlink.updateShadow('gw1', 'weir', { state: { reported: { deployments } } });
    const status = { state: 'quarantined', wanted: { version: '2' }, reported: { reason: 'it loops', running } };
    expect((await control.fleet.status({ device: 'gw1' })).items).toMatchObject([status]);
    await control.fleet.rollback('ovens', 'oven-hot');
    expect((await control.fleet.status({ device: 'gw1' })).items[0]!.state).toBe('pending');
  });

  test('is not misled by what a device reports that is no deployment', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    await control.downlink.updateShadow('gw1', 'weir', {
      state: { reported: { deployments: { x: 'y', z: { a: 1 } } } },
    });
    expect((await control.fleet.status()).items).toEqual([]);
  });
});

test('a rule named like something every object has is nothing special', async () => {
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await deploy('ovens', { name: 'constructor' });
  await deploy('ovens', { name: 'toString' }, { where: 'cloud' });
  expect((await control.fleet.status()).items.map(({ name, state }) => [name, state])).toEqual([
    ['constructor', 'pending'],
    ['toString', 'pending'],
  ]);
  expect((await control.fleet.cloudDeployments('gw1')).deployed[0]).not.toHaveProperty('quarantined');
});

describe('in the cloud', () => {
  test('the revision changes when what runs does, and is the same otherwise', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    const none = await control.fleet.cloudDeployments('gw1');
    expect(none.deployed).toEqual([]);
    expect((await control.fleet.cloudDeployments('gw1')).revision).toBe(none.revision);
    await deploy('ovens', {}, { where: 'cloud' });
    const one = await control.fleet.cloudDeployments('gw1');
    expect(one.revision).not.toBe(none.revision);
    expect(one.deployed).toMatchObject([{ name: 'oven-hot', config: {}, bundle: { kind: 'rule' } }]);
    expect(await desired('gw1')).toEqual({});
  });

  test('what fails is told with what runs in its place, and to deploy the same again is a wish of its own', async () => {
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    const { hash } = await deploy('ovens', {}, { where: 'cloud' });
    const running = { version: '0', hash: 'aa' };
    const failed = { kind: 'rule', version: '1', hash, state: 'quarantined', reason: 'it loops', running } as const;
    await control.fleet.cloudStatus('gw1', { 'oven-hot': failed });
    const row = { state: 'quarantined', where: 'cloud', reported: { reason: 'it loops', running } };
    expect((await control.fleet.status()).items).toMatchObject([row]);
    const wishes = async () => (await control.fleet.cloudDeployments('gw1')).deployed.map(({ wish }) => wish);
    const [first] = await wishes();
    await deploy('ovens', {}, { where: 'cloud' });
    expect((await wishes())[0]).toBeGreaterThan(first!);
  });
});

test('a flood of refused messages is counted exactly, with few writes, and the last twenty are kept', async () => {
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  const write = vi.spyOn(control.store, 'write');
  const payload = new Uint8Array(100_000).fill(65);
  await Promise.all(
    Array.from({ length: 1000 }, (_, i) =>
      control.fleet.refused('gw1', i % 2 ? 'truncated' : 'version', `no ${i}`, payload),
    ),
  );
  const { counts, last } = await control.fleet.refusedBy('gw1');
  expect(counts).toEqual({ truncated: 500, version: 500 });
  expect(last.map(({ detail }) => detail)).toEqual(Array.from({ length: 20 }, (_, i) => `no ${999 - i}`));
  expect(last[0]).toMatchObject({ bytes: 100_000, head: Buffer.from('A'.repeat(256)).toString('base64') });
  expect(write.mock.calls.length).toBeLessThan(10);
});

test('of presences that come out of order the newest counts', async () => {
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await Promise.all([control.fleet.presence('gw1', true, 10), control.fleet.presence('gw1', false, 5)]);
  expect((await control.fleet.device('gw1'))!.presence).toEqual({ connected: true, since: 10 });
  expect(control.seen.filter(({ type }) => type === 'presence')).toHaveLength(1);
});

test('a device that comes to a hub is there, though the clock of the hub before it was ahead when the device had gone', async () => {
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await control.fleet.presence('gw1', true, 3_600_000);
  await control.fleet.presence('gw1', false, 3_600_001);
  await control.fleet.start();
  await control.fleet.presence('gw1', true, 5_000);
  expect((await control.fleet.device('gw1'))!.presence).toEqual({ connected: true, since: 5_000 });
  expect(control.seen.findLast(({ type }) => type === 'presence')).toMatchObject({ device: 'gw1', connected: true });
});

test('devices come page by page, each once', async () => {
  for (let i = 0; i < 7; i++) await enrolDevice(control.fleet, `gw${i}`, ['ovens']);
  const ids: string[] = [];
  let after: string | undefined;
  do {
    const page = await control.fleet.devices(after === undefined ? { limit: 3 } : { limit: 3, after });
    ids.push(...page.items.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  expect(ids).toEqual(['gw0', 'gw1', 'gw2', 'gw3', 'gw4', 'gw5', 'gw6']);
});

test('a device sees in its delta exactly what is new to it', async () => {
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await deploy('ovens');
  await control.fleet.reconcile('gw1');
  const document = (await control.downlink.getShadow('gw1', 'weir')) as unknown as ShadowDocument;
  expect(Object.keys(shadowDelta(document)!.state.deployments as object)).toEqual(['oven-hot']);
});
