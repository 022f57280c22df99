/** Functions with one state for their group: what runs for them, who feeds them, and what the fleet says of them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice, ruleBytes } from '../api/control.fixture.ts';
import type { DeployOptions } from './fleet.ts';

const GATHERER = 'ovens/mean';

let control: Control;
/** Gatherers for which something was said to have changed. */
let told: string[];
beforeEach(async () => {
  told = [];
  control = await createControl({ clock: { now: 1_795_000_000_000 }, onGatherer: (gatherer) => told.push(gatherer) });
  for (const group of ['ovens', 'halls']) await control.fleet.createGroup(group);
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await enrolDevice(control.fleet, 'gw2', ['ovens', 'halls']);
});
afterEach(() => control.close());

const select = (metric: string | undefined) => (metric === undefined ? [] : [{ sensor: '*', metric }]);

interface FunctionOptions extends Partial<DeployOptions> {
  key?: 'function' | 'device';
  input?: string;
  output?: string;
  version?: string;
}

async function deploy(name: string, { key = 'function', input, output, version = '1', ...more }: FunctionOptions = {}) {
  const manifest = { name, version, api: 1, key, inputs: select(input), outputs: select(output) };
  const rest = { handlers: ['reading'], schedules: [], timeoutMs: 250, memoryMb: 64 };
  const bundle = { weir: 1, kind: 'function', manifest: { ...manifest, ...rest }, code: 'x' };
  const { hash } = await control.fleet.putBundle(Buffer.from(JSON.stringify(bundle)));
  return control.fleet.deploy({ group: 'ovens', where: 'cloud', config: {}, ...more, hash });
}

async function deployRule(name: string, metric: string, over: { by?: 'group'; where?: 'edge' } = {}) {
  const { where = 'cloud', ...rule } = over;
  const { hash } = await control.fleet.putBundle(ruleBytes({ name, metric, ...rule }));
  return control.fleet.deploy({ group: 'ovens', hash, where, config: {} });
}

/** Names of what runs, and of what is fed. */
async function at(id: string): Promise<{ runs: string[]; feeds: string[] }> {
  const { deployed, feeds = [] } = await control.fleet.cloudDeployments(id);
  return { runs: deployed.map(({ name }) => name), feeds: feeds.map(({ gatherer }) => gatherer) };
}

async function statuses(options = {}): Promise<string[]> {
  const { items } = await control.fleet.status(options);
  return items.map(({ device, name, state }) => `${device} ${name} ${state}`);
}

test('it runs once for the group, and the devices of the group feed it', async () => {
  const record = await deploy('mean');
  expect(record.gathers).toBe(true);
  for (const device of ['gw1', 'gw2']) expect(await at(device)).toEqual({ runs: [], feeds: [GATHERER] });
  expect(await at(GATHERER)).toEqual({ runs: ['mean'], feeds: [] });
});

test('at the edge it is as with a state for each device', async () => {
  expect((await deploy('mean', { where: 'edge' })).gathers).toBeUndefined();
  expect(await at('gw1')).toEqual({ runs: [], feeds: [] });
  expect(await at(GATHERER)).toEqual({ runs: [], feeds: [] });
});

test('what takes its outputs runs over them, with what takes those in turn; what does not, does not', async () => {
  await deploy('mean', { input: 'temperature', output: 'mean' });
  await deploy('trend', { key: 'device', input: 'mean', output: 'trend' });
  await deploy('after', { key: 'device', input: 'trend', output: 'end' });
  await deploy('other', { key: 'device', input: 'temperature', output: 'smooth' });
  await deployRule('mean-high', 'mean');
  await deployRule('trend-high', 'tre*');
  await deployRule('hot', 'temperature');
  const { runs } = await at(GATHERER);
  expect(runs[0]).toBe('mean');
  expect(runs.toSorted()).toEqual(['after', 'mean', 'mean-high', 'trend', 'trend-high']);
  const ofDevice = ['after', 'hot', 'mean-high', 'other', 'trend', 'trend-high'];
  expect((await at('gw1')).runs.toSorted()).toEqual(ofDevice);
});

test('one that declares no outputs feeds no function; its emissions meet every rule', async () => {
  await deploy('mean');
  await deploy('all', { key: 'device' });
  await deployRule('hot', 'temperature');
  expect(await at(GATHERER)).toEqual({ runs: ['mean', 'hot'], feeds: [] });
});

test('gatherers feed one another; a circle of them is refused', async () => {
  await deploy('mean', { input: 'temperature', output: 'mean' });
  await deploy('worst', { input: 'mean', output: 'worst' });
  expect((await at(GATHERER)).feeds).toEqual(['ovens/worst']);
  expect((await at('gw1')).feeds.toSorted()).toEqual([GATHERER, 'ovens/worst']);
  await expect(deploy('again', { key: 'device', input: 'worst', output: 'temperature' })).rejects.toMatchObject({
    code: 'flow-circle',
  });
});

test('a device in two groups that want the name feeds the one that was set last', async () => {
  await deploy('mean');
  await deploy('mean', { group: 'halls' });
  expect((await at('gw1')).feeds).toEqual([GATHERER]);
  expect((await at('gw2')).feeds).toEqual(['halls/mean']);
  await deploy('mean', { group: 'halls', key: 'device', version: '2' });
  expect(await at('gw2')).toEqual({ runs: ['mean'], feeds: [] });
  expect(await at('halls/mean')).toEqual({ runs: [], feeds: [] });
});

test('it is fed what the version before it takes, too: that may have to run in its place', async () => {
  const taken = async () => (await control.fleet.cloudDeployments('gw1')).feeds!.map(({ inputs }) => inputs);
  await deploy('mean', { input: 'temperature' });
  expect(await taken()).toEqual([select('temperature')]);
  await deploy('mean', { input: 'pressure', version: '2' });
  expect(await taken()).toEqual([[...select('pressure'), ...select('temperature')]]);
  await deploy('mean', { version: '3' });
  expect(await taken()).toEqual([[]]);
});

test('it follows what becomes of the deployment, and is told at once', async () => {
  await deploy('mean');
  await deploy('mean', { version: '2' });
  const revision = async () => (await control.fleet.cloudDeployments(GATHERER)).revision;
  const version = async () => {
    const [own] = (await control.fleet.cloudDeployments(GATHERER)).deployed;
    return own?.bundle.kind === 'function' ? own.bundle.manifest.version : undefined;
  };
  expect(await version()).toBe('2');
  const before = await revision();
  await control.fleet.rollback('ovens', 'mean');
  expect([await version(), (await revision()) === before]).toEqual(['1', false]);
  await control.fleet.undeploy('ovens', 'mean');
  expect(await version()).toBeUndefined();
  expect(told).toEqual([GATHERER, GATHERER, GATHERER, GATHERER]);
});

test('the status shows it once, under its own name, behind the devices; one that was stopped is remembered', async () => {
  await deploy('mean');
  await deployRule('hot', 'temperature');
  const devices = ['gw1 hot pending', 'gw2 hot pending'];
  expect(await statuses()).toEqual([...devices, `${GATHERER} hot pending`, `${GATHERER} mean pending`]);
  const [own] = (await control.fleet.cloudDeployments(GATHERER)).deployed;
  const { name, hash } = own!;
  const reason = 'ten steps failed';
  const reported = { kind: 'function', version: '1', hash, state: 'quarantined', reason, errors: 10 } as const;
  await control.fleet.cloudStatus(GATHERER, { [name]: reported });
  expect(await statuses({ name: 'mean', group: 'ovens' })).toEqual([`${GATHERER} mean quarantined`]);
  expect(await statuses({ device: GATHERER, name: 'mean' })).toEqual([`${GATHERER} mean quarantined`]);
  expect(await statuses({ group: 'halls', name: 'mean' })).toEqual([]);
  expect(await statuses({ device: 'gw1' })).toEqual(['gw1 hot pending']);
  await control.fleet.undeploy('ovens', 'mean');
  expect(await statuses({ name: 'mean' })).toEqual([`${GATHERER} mean removing`]);
  await control.fleet.cloudStatus(GATHERER, {});
  expect(await statuses({ name: 'mean' })).toEqual([]);
});

test('it is on no list of devices, and its shadow is asked for by nobody', async () => {
  await deploy('mean');
  await control.fleet.cloudStatus(GATHERER, {});
  await control.fleet.refused(GATHERER, 'functions-failed', '', new Uint8Array());
  expect((await control.fleet.devices()).items.map(({ id }) => id)).toEqual(['gw1', 'gw2']);
  expect((await control.store.partitions('device')).names).toEqual(['gw1', 'gw2']);
  expect((await control.fleet.refusedBy(GATHERER)).counts).toEqual({ 'functions-failed': 1 });
});

test('a rule over a whole group is one, too: devices hand on to it what it looks at', async () => {
  expect(await deployRule('hot', 'temperature', { by: 'group' })).toMatchObject({ gathers: true });
  expect(await at('gw1')).toEqual({ runs: [], feeds: ['ovens/hot'] });
  expect(await at('ovens/hot')).toEqual({ runs: ['hot'], feeds: [] });
  const { feeds } = await control.fleet.cloudDeployments('gw1');
  expect(feeds).toMatchObject([
    { handlers: ['readings', 'online', 'offline'], inputs: [{ sensor: '*', metric: 'temperature' }] },
  ]);
});

test('what a function gathers goes on to a rule over the group, which runs on its own', async () => {
  await deploy('mean', { input: 'temperature', output: 'mean' });
  await deployRule('mean-high', 'mean', { by: 'group' });
  expect(await at(GATHERER)).toEqual({ runs: ['mean'], feeds: ['ovens/mean-high'] });
  expect(await at('ovens/mean-high')).toEqual({ runs: ['mean-high'], feeds: [] });
});

test('a rule over a group cannot run on one of its devices', async () => {
  await expect(deployRule('hot', 'temperature', { by: 'group', where: 'edge' })).rejects.toMatchObject({
    code: 'cloud-only',
    remedy: expect.stringContaining('--where cloud'),
  });
});
