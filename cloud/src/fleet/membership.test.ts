import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice, ruleBytes } from '../api/control.fixture.ts';
import { systemClock } from '../clock/clock.ts';
import { createMemoryStore } from '../store/memory.ts';
import { type Store, StoreError } from '../store/store.ts';
import { createFleet, type Fleet, type FleetPorts } from './fleet.ts';

let control: Control;
let fleet: Fleet;

beforeEach(async () => {
  control = await createControl();
  ({ fleet } = control);
});
afterEach(() => control.close());

const groupsOf = async (device: string) => (await fleet.device(device))?.groups;
const membersOf = async (group: string) => (await fleet.members(group)).items;

async function deploy(group: string, rule = {}) {
  const { hash } = await fleet.putBundle(ruleBytes(rule));
  await fleet.deploy({ group, hash, where: 'edge', config: {} });
}
const runs = async (device: string) =>
  (await fleet.status({ device })).items.map(({ name, wanted, why, lost }) => ({ name, ...wanted, why, lost }));

async function join(device: string, tags: Record<string, string>, groups: string[] = []) {
  await enrolDevice(fleet, device, groups);
  await fleet.tag(device, { set: tags });
}

describe('a group that selects by tags', () => {
  test('takes devices that were there before it, and those that join later with such tags, and says which are which', async () => {
    await fleet.createGroup('hall');
    await enrolDevice(fleet, 'gw1', ['hall']);
    await join('gw2', { site: 'oslo' });
    await fleet.createGroup('oslo', { selector: ' site = oslo ,model != v1' });
    await fleet.settled();
    expect(await membersOf('oslo')).toEqual([{ device: 'gw2', listed: false, matched: true }]);
    const { secret } = await fleet.createToken({ groups: ['hall'], ttlMs: 1000, uses: 1, tags: { site: 'oslo' } });
    await fleet.enrol({ secret, device: 'gw3', certificateSerial: '3', now: 0 });
    expect(await groupsOf('gw3')).toEqual(['hall', 'oslo']);
    await fleet.addToGroup('oslo', 'gw1');
    await fleet.addToGroup('oslo', 'gw3');
    expect(await fleet.group('oslo')).toMatchObject({
      selector: 'site=oslo,model!=v1',
      members: { total: 3, listed: 2, matched: 2 },
      devices: ['gw1', 'gw2', 'gw3'],
    });
  });

  test('lets go of a device with its tag, and of all with the selector; what is listed stays', async () => {
    await fleet.createGroup('oslo', { selector: 'site=oslo' });
    await join('gw1', { site: 'oslo' });
    await join('gw2', { site: 'oslo' });
    await fleet.addToGroup('oslo', 'gw2');
    await fleet.tag('gw1', { set: { site: 'bergen' } });
    expect(await groupsOf('gw1')).toEqual([]);
    await fleet.tag('gw2', { remove: ['site'] });
    expect(await membersOf('oslo')).toEqual([{ device: 'gw2', listed: true, matched: false }]);
    await fleet.setGroup('oslo', { selector: 'site=bergen' });
    await fleet.settled();
    expect((await membersOf('oslo')).map(({ device }) => device)).toEqual(['gw1', 'gw2']);
    await fleet.setGroup('oslo', { selector: null });
    await fleet.settled();
    expect((await membersOf('oslo')).map(({ device }) => device)).toEqual(['gw2']);
  });

  test('brings what is deployed to it, and takes it away again', async () => {
    await fleet.createGroup('oslo', { selector: 'site=oslo' });
    await deploy('oslo');
    await join('gw1', { site: 'oslo' });
    expect((await runs('gw1')).map(({ name }) => name)).toEqual(['oven-hot']);
    await fleet.tag('gw1', { set: { site: 'bergen' } });
    expect((await runs('gw1')).filter(({ why }) => why !== undefined)).toEqual([]);
  });

  test('leaves out whom it is told to, until it is undone or the device is put in', async () => {
    await fleet.createGroup('oslo', { selector: 'site=oslo' });
    await join('gw1', { site: 'oslo' });
    await expect(fleet.removeFromGroup('oslo', 'gw1')).rejects.toMatchObject({
      code: 'member-by-tags',
      remedy: expect.stringContaining('weir group exclude oslo gw1'),
    });
    await fleet.exclude('oslo', 'gw1', true);
    expect(await fleet.device('gw1')).toMatchObject({ groups: [], excluded: ['oslo'] });
    await fleet.tag('gw1', { set: { model: 'v2' } });
    expect(await groupsOf('gw1')).toEqual([]);
    await fleet.exclude('oslo', 'gw1', false);
    expect(await groupsOf('gw1')).toEqual(['oslo']);
    await fleet.exclude('oslo', 'gw1', true);
    await fleet.addToGroup('oslo', 'gw1');
    expect(await fleet.device('gw1')).toMatchObject({ groups: ['oslo'], matched: ['oslo'] });
  });

  test('has a device since it came, also when it is in it in another way later', async () => {
    const since = async () => {
      const item = await control.store.get({ table: 'group', partition: 'oslo', sort: 'device/gw1' });
      return (item!.json as { addedAt: number }).addedAt;
    };
    await fleet.createGroup('oslo', { selector: 'site=oslo' });
    await join('gw1', { site: 'oslo' });
    const joined = await since();
    await expect.poll(() => Date.now()).toBeGreaterThan(joined);
    await fleet.addToGroup('oslo', 'gw1');
    await fleet.tag('gw1', { remove: ['site'] });
    expect(await since()).toBe(joined);
  });

  test('is told where its selector is wrong', async () => {
    await expect(fleet.createGroup('oslo', { selector: 'site=' })).rejects.toMatchObject({
      code: 'selector-invalid',
      message: expect.stringContaining('a value is wanted at character 6'),
    });
    expect(await fleet.group('oslo')).toBeUndefined();
  });
});

test('a device is in 32 groups at most: listed ones first, then by priority, and the others are named', async () => {
  await fleet.createGroup('listed');
  for (let n = 0; n < 33; n++) await fleet.createGroup(`by-tags-${n}`, { selector: 'site', priority: n });
  await join('gw1', { site: 'oslo' }, ['listed']);
  const device = await fleet.device('gw1');
  expect(device?.groups).toHaveLength(32);
  expect(device?.groups).toContain('listed');
  expect(device?.over).toEqual(['by-tags-1', 'by-tags-0']);
});

test.each([
  [{ set: { 'a b': 'x' } }, 'tag-invalid'],
  [{ set: { a: 'x'.repeat(257) } }, 'tag-invalid'],
  [{ set: { a: 'x' }, remove: ['a'] }, 'tag-invalid'],
  [{ set: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`t${n}`, ''])) }, 'limit-exceeded'],
])('tags that are none are refused: %j', async (change, code) => {
  await enrolDevice(fleet, 'gw1', []);
  await expect(fleet.tag('gw1', change)).rejects.toMatchObject({ code });
});

describe('of groups that want the same name', () => {
  test('the one of the highest priority wins, then the one that was set last, and each says why', async () => {
    for (const name of ['hall', 'lab', 'site']) await fleet.createGroup(name);
    await enrolDevice(fleet, 'gw1', ['hall', 'lab', 'site']);
    await deploy('site', { version: '3' });
    await deploy('hall', { version: '1' });
    await deploy('lab', { version: '2' });
    expect(await runs('gw1')).toMatchObject([
      { group: 'lab', version: '2', why: 'group lab was set after hall', lost: [{ group: 'hall' }, { group: 'site' }] },
    ]);
    await fleet.setGroup('site', { priority: 10 });
    expect(await runs('gw1')).toMatchObject([
      {
        group: 'site',
        why: 'priority 10 of group site goes before 0 of lab',
        lost: [
          { group: 'lab', version: '2', why: 'priority 10 of group site goes before 0 of lab' },
          { group: 'hall', version: '1' },
        ],
      },
    ]);
    await fleet.undeploy('site', 'oven-hot');
    await fleet.undeploy('lab', 'oven-hot');
    expect(await runs('gw1')).toMatchObject([{ group: 'hall', why: 'only group hall wants it' }]);
  });

  test('a priority that changes reaches the devices at once', async () => {
    for (const name of ['hall', 'lab']) await fleet.createGroup(name);
    await enrolDevice(fleet, 'gw1', ['hall', 'lab']);
    await deploy('hall', { version: '1' });
    await deploy('lab', { version: '2' });
    await fleet.setGroup('hall', { priority: 1 });
    await expect
      .poll(async () => (await control.downlink.getShadow('gw1', 'weir'))?.state)
      .toMatchObject({
        desired: { deployments: { 'oven-hot': { version: '1' } } },
      });
  });
});

test('a group goes with what is left of it, not while something is deployed to it unless that is meant', async () => {
  await fleet.createGroup('oslo', { selector: 'site=oslo' });
  await join('gw1', { site: 'oslo' });
  await deploy('oslo');
  await expect(fleet.removeGroup('oslo', false)).rejects.toMatchObject({
    code: 'group-in-use',
    message: expect.stringContaining('oven-hot'),
  });
  await fleet.removeGroup('oslo', true);
  expect(await fleet.group('oslo')).toBeUndefined();
  expect((await fleet.groups()).items).toEqual([]);
  await fleet.settled();
  expect(await groupsOf('gw1')).toEqual([]);
  expect((await control.store.partitions('group')).names).toEqual([]);
  await fleet.createGroup('oslo');
  expect(await groupsOf('gw1')).toEqual([]);
});

/** A store whose power goes with the n-th write from now on. */
function failing(store: Store): Store & { lives: number } {
  return {
    lives: Number.POSITIVE_INFINITY,
    get: (key) => store.get(key),
    query: (query) => store.query(query),
    partitions: (table, options) => store.partitions(table, options),
    async write(changes) {
      if (this.lives-- <= 0) throw new StoreError('closed', 'the power is gone');
      await store.write(changes);
    },
    close: () => store.close(),
  };
}

test('whatever is changed while the hub is killed, afterwards every device is where its tags say, on both sides', async () => {
  const operations = fc.oneof(
    fc.record({ do: fc.constant('tag' as const), device: fc.nat(3), site: fc.constantFrom('a', 'b', '') }),
    fc.record({ do: fc.constant('select' as const), group: fc.nat(2), site: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ do: fc.constant('list' as const), device: fc.nat(3), group: fc.nat(2), member: fc.boolean() }),
    fc.record({ do: fc.constant('remove' as const), group: fc.nat(2) }),
  );
  /** After so many writes of the operation the hub is killed; undefined: it is not. */
  const step = fc.record({ operation: operations, dies: fc.option(fc.nat(4), { nil: undefined }) });
  const ports = (store: Store): FleetPorts => ({
    ...{ store, downlink: control.downlink, random: () => new Uint8Array(16), now: () => 0 },
    sleep: systemClock.sleep,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const kept = createMemoryStore();
      let store = failing(kept);
      let hub = createFleet(ports(store));
      for (const n of [0, 1, 2]) await hub.createGroup(`g${n}`);
      await kept.write(
        [0, 1, 2, 3].map((n) => ({
          put: { table: 'device', partition: `d${n}`, sort: 'record' },
          json: { groups: [], tags: {}, certificateSerial: '', enrolledAt: 0 },
        })),
      );
      for (const { operation: step, dies } of steps) {
        store.lives = dies ?? Number.POSITIVE_INFINITY;
        const work =
          step.do === 'tag'
            ? hub.tag(`d${step.device}`, step.site === '' ? { remove: ['site'] } : { set: { site: step.site } })
            : step.do === 'select'
              ? hub.setGroup(`g${step.group}`, { selector: `site=${step.site}` })
              : step.do === 'list'
                ? hub[step.member ? 'addToGroup' : 'removeFromGroup'](`g${step.group}`, `d${step.device}`)
                : hub.removeGroup(`g${step.group}`, true).then(() => hub.createGroup(`g${step.group}`));
        await work.catch(() => {});
        if (dies === undefined) continue;
        // What goes on in the background dies with it.
        store.lives = Math.min(store.lives, 1);
        void hub.stop();
        store = failing(kept);
        hub = createFleet(ports(store));
        await hub.start();
      }
      void hub.stop();
      hub = createFleet(ports(kept));
      await hub.start();
      await hub.settled();
      const groups = (await hub.groups()).items;
      for (const { name, selector } of groups) {
        const members = (await hub.members(name)).items;
        const devices = (await hub.devices()).items;
        const matching = devices.filter(({ tags }) => selector !== undefined && selector === `site=${tags.site}`);
        expect(members.filter(({ matched }) => matched).map(({ device }) => device)).toEqual(
          matching.map(({ id }) => id),
        );
        const inIt = devices.filter((device) => device.groups.includes(name));
        expect(members.map(({ device }) => device)).toEqual(inIt.map(({ id }) => id));
      }
      const names = groups.map(({ name }) => name);
      for (const { groups: of } of (await hub.devices()).items) expect(names).toEqual(expect.arrayContaining(of));
      await hub.stop();
    }),
    { numRuns: 200 },
  );
});
