import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice } from '../src/api/control.fixture.ts';
import { weirIn } from './weir.fixture.ts';

let folder: string;
let control: Control;
let url: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-remove-'));
  writeFileSync(join(folder, 'hot.yaml'), 'name: hot\nmetric: temperature\nabove: 80\nclear: 75\n');
  writeFileSync(join(folder, 'thin.yaml'), 'name: thin\nforward:\n  - metric: m\n    mode: none\n');
  control = await createControl({ unsigned: true });
  await control.notifier.start();
  url = await control.listen();
  await control.fleet.createGroup('ovens');
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await enrolDevice(control.fleet, 'gw2', []);
});
afterEach(async () => {
  await control.close();
  rmSync(folder, { recursive: true });
});

const weir = (args: string[], input?: string) => weirIn(folder, { url, apiKey: control.apiKey }, args, input);

const ROUNDS = [
  {
    add: ['secret', 'set', 'ovens', 'token'],
    remove: ['secret', 'remove', 'ovens', 'token'],
    what: { group: 'ovens', name: 'token' },
    absent: 'group "ovens" has no secret "token"',
  },
  {
    add: ['rule', 'apply', 'hot.yaml', '--group', 'ovens', '--no-wait'],
    remove: ['rule', 'remove', 'hot', '--group', 'ovens'],
    what: { group: 'ovens', name: 'hot', kind: 'rule' },
    absent: 'nothing named "hot" is deployed to group "ovens"',
  },
  {
    add: ['forward', 'apply', 'thin.yaml', '--group', 'ovens', '--no-wait'],
    remove: ['forward', 'remove', 'thin', '--group', 'ovens'],
    what: { group: 'ovens', name: 'thin', kind: 'forwarding' },
    absent: 'nothing named "thin" is deployed to group "ovens"',
  },
  {
    add: ['channel', 'add', 'here', '--terminal'],
    remove: ['channel', 'remove', 'here'],
    what: { channel: 'here' },
    absent: 'there is no channel "here"',
  },
  {
    add: ['group', 'create', 'other'],
    remove: ['group', 'delete', 'other'],
    what: { group: 'other' },
    absent: 'there is no group "other"',
  },
];

describe('what is removed is gone once: a second time is misuse, unless it was only to be gone', () => {
  test.each(ROUNDS)('weir $remove', async ({ add, remove, what, absent }) => {
    expect(await weir(add, 'a value of a secret')).toMatchObject({ code: 0 });
    const first = await weir([...remove, '--json']);
    expect([first.code, JSON.parse(first.out)]).toEqual([0, { ...what, removed: true }]);
    const second = await weir([...remove, '--json']);
    expect([second.code, second.out, second.err]).toEqual([2, '', expect.stringContaining(`weir: ${absent}\n  `)]);
    const third = await weir([...remove, '--json', '--if-exists']);
    expect([third.code, JSON.parse(third.out)]).toEqual([0, { ...what, removed: false }]);
    const told = await weir([...remove, '--if-exists']);
    expect([told.code, told.out, told.err]).toEqual([0, '', `Nothing to remove: ${absent}\n`]);
  });
});

test('a rule is not taken off as if it were a function, nor with --if-exists', async () => {
  expect((await weir(['rule', 'apply', 'hot.yaml', '--group', 'ovens', '--no-wait'])).code).toBe(0);
  for (const more of [[], ['--if-exists']]) {
    const { code, err } = await weir(['fn', 'remove', 'hot', '--group', 'ovens', ...more]);
    expect([code, err]).toEqual([
      2,
      'weir: "hot" on group ovens is a rule, not a function\n  if it is what is meant: weir rule remove hot --group ovens\n',
    ]);
  }
  expect((await weir(['rule', 'list'])).out).toContain('hot');
});

test('who was in a group and who was not is told, and a device that is misspelt before any is taken out', async () => {
  const misspelt = await weir(['group', 'remove', 'ovens', 'gw1', 'gw9']);
  expect([misspelt.code, misspelt.err]).toEqual([2, expect.stringContaining('there is no device "gw9"')]);
  expect((await weir(['group', 'members', 'ovens'])).out).toContain('gw1');
  const { code, err } = await weir(['group', 'remove', 'ovens', 'gw1', 'gw2']);
  expect([code, err]).toEqual([0, 'No longer in group ovens: gw1\nNot in group ovens anyway: gw2\n']);
  const again = await weir(['group', 'remove', 'ovens', 'gw1', '--json']);
  expect([again.code, JSON.parse(again.out)]).toEqual([
    0,
    { group: 'ovens', devices: [{ device: 'gw1', removed: false }] },
  ]);
});

test('what only ends is there as JSON, too: an API key, a silence', async () => {
  await weir(['api-key', 'create', 'anna', '--role', 'viewer']);
  const revoked = await weir(['api-key', 'revoke', 'anna', '--json']);
  expect(JSON.parse(revoked.out)).toMatchObject({ name: 'anna', revokedAt: expect.any(Number) });
  const { id } = JSON.parse((await weir(['alert', 'silence', 'add', 'device=gw1', '--for', '1h', '--json'])).out);
  const ended = await weir(['alert', 'silence', 'end', id, '--json']);
  expect([ended.code, JSON.parse(ended.out)]).toEqual([0, expect.objectContaining({ id, matchers: 'device="gw1"' })]);
});
