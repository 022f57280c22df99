/** What a rule takes from devices: levels by their tags, and whether their units are of the kind of its own. */
import { columnsOf, configDigest, type RuleInput } from '@weir/protocols';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice } from '../api/control.fixture.ts';
import { Latest } from '../store/latest.ts';
import { rolloutOptions } from './rollout/options.ts';

const NOW = 1_795_000_000_000;
let control: Control;
beforeEach(async () => {
  control = await createControl({ clock: { now: NOW } });
  await control.fleet.createGroup('ovens');
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await enrolDevice(control.fleet, 'gw2', ['ovens']);
});
afterEach(() => control.close());

async function deploy(rule: Partial<RuleInput>, over = {}) {
  const bundle = { weir: 1, kind: 'rule', rule: { name: 'hot', metric: 'temperature', ...rule } };
  const { hash } = await control.fleet.putBundle(new TextEncoder().encode(JSON.stringify(bundle)));
  return control.fleet.deploy({ group: 'ovens', hash, where: 'edge', config: {}, ...over });
}

async function wanted(device: string): Promise<{ version: string; config?: object } | undefined> {
  await control.fleet.reconcile(device);
  const document = await control.downlink.getShadow(device, 'weir');
  const { deployments } = (document as { state: { desired: { deployments: Record<string, never> } } }).state.desired;
  return deployments.hot;
}

async function sent(device: string, metric: string, unit?: string) {
  const latest = new Latest(device);
  latest.take(columnsOf([{ sensor: 'oven1', metric, value: 20, ts: NOW, ...(unit !== undefined && { unit }) }]), NOW);
  await control.store.write([latest.change()]);
}

describe('a level by tag', () => {
  const rule = { above: { tag: 'max-temp', default: 80 } };

  test('of the device goes before that of the deployment, and only what the rule names is handed on', async () => {
    await control.fleet.tag('gw1', { set: { 'max-temp': '70', hall: '3' } });
    await deploy(rule, { config: { 'max-temp': 75, other: 1 } });
    expect(await wanted('gw1')).toMatchObject({ config: { 'max-temp': '70', other: 1 } });
    expect(await wanted('gw2')).toMatchObject({ config: { 'max-temp': 75, other: 1 } });
  });

  test('that changes is another configuration of the same version', async () => {
    const { hash, order } = await deploy(rule);
    expect(await wanted('gw1')).not.toHaveProperty('config');
    await control.fleet.tag('gw1', { set: { 'max-temp': '70' } });
    expect(await wanted('gw1')).toMatchObject({ hash, config: { 'max-temp': '70' } });
    await control.fleet.tag('gw1', { remove: ['max-temp'] });
    expect(await wanted('gw1')).not.toHaveProperty('config');
    expect((await control.fleet.group('ovens'))?.deployments[0]).toMatchObject({ order });
  });

  test('of a rule in the cloud comes to its fold', async () => {
    await deploy(rule, { where: 'cloud' });
    expect((await control.fleet.cloudDeployments('gw1')).deployed).toMatchObject([{ config: {} }]);
    await control.fleet.tag('gw1', { set: { 'max-temp': '70' } });
    expect((await control.fleet.cloudDeployments('gw1')).deployed).toMatchObject([{ config: { 'max-temp': '70' } }]);
    expect((await control.fleet.cloudDeployments('gw2')).deployed).toMatchObject([{ config: {} }]);
  });

  test('a device that runs it with its own level runs what is wanted', async () => {
    const { hash } = await deploy(rule);
    await control.fleet.tag('gw1', { set: { 'max-temp': '70' } });
    const config = configDigest({ 'max-temp': '70' })!;
    const report = { kind: 'rule', version: 'x', hash, config, state: 'running' };
    await wanted('gw1');
    await control.downlink.updateShadow('gw1', 'weir', { state: { reported: { deployments: { hot: report } } } });
    const { items } = await control.fleet.status({ device: 'gw1' });
    expect(items).toMatchObject([{ state: 'running' }]);
  });

  test('the zone of a schedule that is the device’s own comes with it', async () => {
    await control.fleet.tag('gw1', { set: { tz: 'Asia/Tokyo' } });
    await deploy({ above: 80, schedule: { times: '08:00-17:00' } });
    expect(await wanted('gw1')).toMatchObject({ config: { tz: 'Asia/Tokyo' } });
  });

  test('that nobody has, and for which there is no default, is said', async () => {
    await control.fleet.tag('gw1', { set: { 'max-temp': '70' } });
    const { warnings } = await deploy({ above: { tag: 'max-temp' } });
    expect(warnings).toEqual([
      expect.stringMatching(/^gw2 without the tag "max-temp".*weir device tag gw2 max-temp=80/),
    ]);
    expect((await deploy({ above: { tag: 'max-temp' } }, { config: { 'max-temp': 80 } })).warnings).toBeUndefined();
  });
});

describe('the unit of the levels', () => {
  test('of another kind than all that is known is refused, with what each is', async () => {
    await sent('gw1', 'temperature', 'Cel');
    await expect(deploy({ above: 3, unit: 'bar' })).rejects.toMatchObject({
      code: 'unit-mismatch',
      message: 'the levels of "hot" are in bar (pressure), and oven1/temperature of gw1 comes in Cel (temperature)',
      remedy: expect.stringContaining('unit: Cel'),
    });
  });

  test('of the kind of some is taken, and what cannot be judged is said', async () => {
    await sent('gw1', 'temperature', 'Cel');
    await sent('gw2', 'temperature', 'C');
    const { warnings } = await deploy({ above: 350, unit: 'K' });
    expect(warnings).toEqual([expect.stringContaining('oven1/temperature of gw2 comes in C (charge)')]);
  });

  test.each([
    ['of the same kind', 'degF', 'Cel', undefined],
    ['of readings without one', 'degF', undefined, undefined],
    ['that nobody knows', 'widgets', undefined, [expect.stringContaining('"widgets" is no unit that is known')]],
  ])('%s is taken', async (_, unit, ofReadings, warnings) => {
    await sent('gw1', 'temperature', ofReadings);
    expect((await deploy({ above: 3, unit })).warnings).toEqual(warnings);
  });
});

test('a rollout whose time to begin is past begins at once, and says so', async () => {
  const rollout = rolloutOptions({ at: '2026-11-01T02:00:00Z' });
  const { warnings } = await deploy({ above: 80 }, { rollout });
  expect(warnings).toEqual(['it was to begin at 2026-11-01T02:00Z, which is past: it begins at once']);
});
