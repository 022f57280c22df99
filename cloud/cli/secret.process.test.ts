import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice } from '../src/api/control.fixture.ts';
import { weirIn } from './weir.fixture.ts';

const VALUE = 'hunter2-hunter2';

let folder: string;
let control: Control;
let url: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-secret-'));
  control = await createControl();
  url = await control.listen();
  for (const group of ['ovens', 'site']) await control.fleet.createGroup(group);
  await enrolDevice(control.fleet, 'gw1', ['ovens', 'site']);
});
afterEach(async () => {
  await control.close();
  rmSync(folder, { recursive: true });
});

const weir = (args: string[], input?: string) => weirIn(folder, { url, apiKey: control.apiKey }, args, input);

test('a secret comes from a file or standard input, is listed with its precedence, and never shown', async () => {
  writeFileSync(join(folder, 'token.txt'), `${VALUE}\n`);
  const ran = [await weir(['secret', 'set', 'ovens', 'token', '--from-file', 'token.txt'])];
  expect(ran[0]).toMatchObject({ code: 0, out: '', err: expect.stringContaining('Set the secret token') });
  expect(await control.store.get({ table: 'group', partition: 'ovens', sort: 'secret/token' })).toBeDefined();
  ran.push(await weir(['secret', 'set', 'site', 'token', '--json'], `${VALUE} of the site\n`));
  expect(JSON.parse(ran[1]!.out)).toMatchObject({ group: 'site', name: 'token', version: 2 });
  ran.push(await weir(['secret', 'list', 'ovens']), await weir(['secret', 'list', '--device', 'gw1']));
  expect(ran[2]!.out).toMatch(/token +1 /);
  expect(ran[3]!.out).toMatch(/token +site +2 .* pending +goes before ovens/);
  expect((await weir(['secret', 'remove', 'site', 'token'])).code).toBe(0);
  ran.push(await weir(['secret', 'list', '--device', 'gw1', '--json']));
  expect(JSON.parse(ran[4]!.out)).toMatchObject([{ name: 'token', group: 'ovens', overridden: [] }]);
  expect(JSON.stringify(ran)).not.toContain(VALUE);
});

test.each([
  [['secret', 'set', 'ovens', 'token'], 'short', 'a secret has 8 to 4096 characters; this has 5'],
  [['secret', 'set', 'ovens', 'token', '--from-file', 'none'], undefined, 'none cannot be read'],
  [['secret', 'set', 'none', 'token'], VALUE, 'weir group create none'],
  [['secret', 'set', 'ovens', 'token', VALUE], undefined, 'too many arguments'],
  [['secret', 'list'], undefined, 'secrets of what?'],
  [['secret', 'remove', 'ovens', 'none'], undefined, 'weir secret list ovens'],
])('misuse ends with 2 and says what to do: weir %j', async (args, input, words) => {
  const { code, err } = await weir(args, input);
  expect([code, err]).toEqual([2, expect.stringContaining(words)]);
});
